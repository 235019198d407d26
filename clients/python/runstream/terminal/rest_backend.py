"""The service behind the bridge, or Workers AI itself, asked by its native REST routes."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from runstream import errors
from runstream.terminal.backend import ListedModel, Piece, Question

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024

_NAMES: Final = {"stop_sequences": "stop"}
_BY_CODE: Final[Mapping[int, type[errors.RunstreamError]]] = {
    3006: errors.MessageTooLargeError,
    3046: errors.DeadlineExceededError,
    5000: errors.EngineFailedError,
    5006: errors.InvalidRequestError,
    5007: errors.ModelNotFoundError,
    5021: errors.ContextWindowExceededError,
    5023: errors.InvalidRequestError,
    5024: errors.UnsatisfiableFormatError,
    10000: errors.UnauthenticatedError,
    10001: errors.UnauthenticatedError,
}
_BY_STATUS: Final[Mapping[int, type[errors.RunstreamError]]] = {
    408: errors.DeadlineExceededError,
    429: errors.QueueFullError,
    502: errors.UnreachableError,
    503: errors.ModelNotReadyError,
    504: errors.DeadlineExceededError,
}


class RestBackend:
    """A `Backend` for a bridge.

    Args:
        url: Where it answers, without a path.
        ssl: How a certificate is checked: True for the well-known authorities.
        timeout_s: The most seconds of a call.
    """

    def __init__(self, url: str, account: str, token: str, ssl: Any, timeout_s: float) -> None:
        self.place = url
        self._base = f"{url.rstrip('/')}/client/v4/accounts/{quote(account, safe='')}/ai"
        self._http = aiohttp.ClientSession(
            headers={"authorization": f"Bearer {token}"} if token else {},
            # Between a person's questions nobody would see that the bridge has closed one.
            connector=aiohttp.TCPConnector(ssl=ssl, force_close=True),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            read_bufsize=2**20,
        )

    async def run(self, model: str, question: Question) -> Piece:
        """The whole answer as one piece."""
        async with self._ask("POST", _path(model), body(question)) as response:
            result = (await _envelope(response))["result"]
        answer = result.get("response")
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        return Piece(text, result.get("finish_reason") or "stop", _counted(result.get("usage")))

    async def stream(self, model: str, question: Question) -> AsyncGenerator[Piece, None]:
        """The answer as it is generated."""
        async with self._ask("POST", _path(model), {**body(question), "stream": True}) as response:
            last = None
            async for line in response.content:
                name, _, value = line.strip().partition(b":")
                if name != b"data":
                    continue
                if value.strip() == b"[DONE]":
                    yield last or Piece("", "stop", {})
                    return
                piece = _piece(json.loads(value))
                if piece.finish_reason:
                    last = piece
                else:
                    yield piece
        raise errors.UnreachableError("the answer ended before it was whole")

    async def models(self) -> list[ListedModel]:
        """Those that can be run, in the service's order."""
        async with self._ask("GET", "models/search?per_page=1000", None) as response:
            rows = (await _envelope(response))["result"]
        return [ListedModel(row["name"], "unknown", _window(row), "", row.get("description") or "") for row in rows]

    async def close(self) -> None:
        """Closes the session."""
        await self._http.close()

    @asynccontextmanager
    async def _ask(self, method: str, path: str, asked: object) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._http.request(
                method, f"{self._base}/{path}", json=asked, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise _failure(response, await _read(response))
                yield response
        except TimeoutError:
            raise errors.DeadlineExceededError("no whole answer came in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise errors.UnreachableError(str(error)) from None
        except (LookupError, AttributeError, TypeError, ValueError):
            raise errors.RunstreamError(f"{self.place} does not answer as Workers AI does: check --url") from None


def body(question: Question) -> dict[str, Any]:
    """The body of a native request; a JSON Schema becomes JSON mode."""
    asked = {_NAMES.get(name, name): value for name, value in question.items() if value is not None}
    schema = asked.pop("response_format", None)
    if schema is not None:
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    return asked


def _path(model: str) -> str:
    return f"run/{quote(model, safe='@/')}"


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, as far as an answer can be long."""
    chunks, num_bytes = [], 0
    async for chunk in response.content.iter_chunked(65_536):
        chunks.append(chunk)
        num_bytes += len(chunk)
        if num_bytes > MAX_ANSWER_BYTES:
            raise errors.MessageTooLargeError(f"the answer has more than {MAX_ANSWER_BYTES >> 20} MiB")
    return b"".join(chunks)


async def _envelope(response: aiohttp.ClientResponse) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(await _read(response))
    return envelope


def _failure(response: aiohttp.ClientResponse, answer: bytes) -> errors.RunstreamError:
    try:
        entry = json.loads(answer)["errors"][0]
        code, message = int(entry["code"]), str(entry["message"])
    except (ValueError, LookupError, TypeError):
        code, message = 0, f"{response.url.origin()} answers {response.status}: check --url"
    wait = response.headers.get("retry-after", "")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(response.status, errors.RunstreamError)
    return kind(message, retry_after_s=float(wait) if wait.isdecimal() else None)


def _piece(event: Mapping[str, Any]) -> Piece:
    if event.get("errors"):
        entry = event["errors"][0]
        raise _BY_CODE.get(entry["code"], errors.InternalError)(str(entry["message"]))
    usage = event.get("usage")
    return Piece(event.get("response") or "", event.get("finish_reason") or ("stop" if usage else ""), _counted(usage))


def _counted(usage: Mapping[str, Any] | None) -> dict[str, int]:
    if not usage:
        return {}
    counted = {name: int(usage.get(name, 0)) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return {**counted, "cached_prompt_tokens": int((usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0))}


def _window(row: Mapping[str, Any]) -> int:
    values = (entry["value"] for entry in row.get("properties", ()) if entry["property_id"] == "context_window")
    return int(next(values, 0))
