"""The service behind the bridge, or Workers AI itself, asked by its native REST routes."""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
from aiohttp.http import HttpProcessingError

from runstream import errors
from runstream.terminal.backend import ListedModel, Piece, Question

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024

ValueT = TypeVar("ValueT", str, int, dict[str, Any], list[Any])

_COUNT: Final = re.compile("[0-9]{1,10}")
_NAMES: Final = {"stop_sequences": "stop"}
_OTHER_ACCOUNT: Final = "give --account the one that the token or the certificate is for"
_BY_CODE: Final[Mapping[int, type[errors.RunstreamError]]] = {
    3006: errors.MessageTooLargeError,
    3046: errors.DeadlineExceededError,
    5000: errors.EngineFailedError,
    5005: errors.LoraUnsupportedError,
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
            result = _entry(_parsed(await _read(response)), "result", dict)
            text = _answer(result, may_be_null=question.get("response_format") is not None)
            reason, thinking = _entry(result, "finish_reason", str), _entry(result, "reasoning_content", str)
            return Piece(text, reason or "stop", _counted(result), thinking=thinking)

    async def stream(self, model: str, question: Question) -> AsyncGenerator[Piece, None]:
        """The answer as it is generated."""
        async with self._ask("POST", _path(model), {**body(question), "stream": True}) as response:
            finish_reason, usage = "", dict[str, int]()
            async for line in response.content:
                name, _, value = line.strip().partition(b":")
                if name != b"data":
                    continue
                if value.strip() == b"[DONE]":
                    yield Piece("", finish_reason or "stop", usage)
                    return
                event = _event(value)
                finish_reason = _entry(event, "finish_reason", str) or finish_reason
                usage = _counted(event) or usage
                text, thinking = _text(event), _entry(event, "reasoning_content", str)
                if text or thinking:
                    yield Piece(text, thinking=thinking)
        raise errors.UnreachableError("the answer ended before it was whole")

    async def models(self) -> list[ListedModel]:
        """Those that can be run, in the service's order."""
        async with self._ask("GET", "models/search?per_page=1000", None) as response:
            return [
                ListedModel(_entry(row, "name", str), "unknown", _window(row), "", _entry(row, "description", str))
                for row in _entries(_parsed(await _read(response)), "result")
            ]

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
        except aiohttp.ClientResponseError:
            # Its text has the bytes that came.
            raise self._foreign("it speaks another protocol than HTTP/1.1; a port of gRPC is for --target") from None
        except (aiohttp.ClientError, OSError) as error:
            raise errors.UnreachableError(str(error)) from None
        except _MalformedError as error:
            raise self._foreign(str(error)) from None
        except HttpProcessingError:
            raise self._foreign("a line of its stream is too long") from None

    def _foreign(self, what: str) -> errors.RunstreamError:
        return errors.RunstreamError(f"{self.place} does not answer as Workers AI does: {what}: check --url")


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


class _MalformedError(Exception):
    """What the answer has that Workers AI's have not."""


def _parsed(text: bytes) -> Mapping[str, Any]:
    """The object that a JSON text is."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise _MalformedError("it sends no JSON") from None
    if not isinstance(value, dict):
        raise _MalformedError("it sends JSON that is no object")
    return value


def _entry(entries: Mapping[str, Any], name: str, kind: type[ValueT]) -> ValueT:
    """The entry of an object, of a kind; an empty one where there is none."""
    value = entries.get(name)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise _MalformedError(f"its {name!r} is of the wrong type")
    return value


def _entries(entries: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a list; none where there is none."""
    values = _entry(entries, name, list)
    if not all(isinstance(value, dict) for value in values):
        raise _MalformedError(f"its {name!r} has other than objects")
    return values


def _fault(entries: Mapping[str, Any]) -> tuple[int, str] | None:
    """The code and the message of the first error; None where there is none."""
    for error in _entries(entries, "errors"):
        return _entry(error, "code", int), _entry(error, "message", str)
    return None


def _failure(response: aiohttp.ClientResponse, answer: bytes) -> errors.RunstreamError:
    unclear = 0, f"{response.url.origin()} answers {response.status}: check --url"
    try:
        code, message = _fault(_parsed(answer)) or unclear
    except _MalformedError:
        code, message = unclear
    wait = response.headers.get("retry-after", "")
    if (response.status, code) == (403, 10000):
        return errors.PermissionDeniedError(f"{message}; {_OTHER_ACCOUNT}")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(response.status, errors.RunstreamError)
    return kind(message, retry_after_s=float(wait) if wait.isdecimal() else None)


def _answer(result: Mapping[str, Any], *, may_be_null: bool) -> str:
    """The text of a whole answer. JSON mode has a value there, which null can be."""
    answer = result.get("response")
    if answer is None and _entry(result, "tool_calls", list):
        return ""
    if answer is None and not (may_be_null and "response" in result):
        raise _MalformedError("its answer has no 'response'")
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _event(data: bytes) -> Mapping[str, Any]:
    """An event of a stream; raises the failure that it tells."""
    event = _parsed(data)
    fault = _fault(event)
    if fault is not None:
        code, message = fault
        raise _BY_CODE.get(code, errors.InternalError)(message)
    return event


def _text(event: Mapping[str, Any]) -> str:
    """The text of an event. Cloudflare's own service sends a token of digits as a number."""
    value = event.get("response")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    return _entry(event, "response", str)


def _counted(answer: Mapping[str, Any]) -> dict[str, int]:
    usage = _entry(answer, "usage", dict)
    if not usage:
        return {}
    counted = {name: _entry(usage, name, int) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return {
        **counted,
        "cached_prompt_tokens": _entry(_entry(usage, "prompt_tokens_details", dict), "cached_tokens", int),
        "reasoning_tokens": _entry(_entry(usage, "completion_tokens_details", dict), "reasoning_tokens", int),
    }


def _window(row: Mapping[str, Any]) -> int:
    for entry in _entries(row, "properties"):
        if entry.get("property_id") == "context_window":
            value = str(entry.get("value"))
            return int(value) if _COUNT.fullmatch(value) else 0
    return 0
