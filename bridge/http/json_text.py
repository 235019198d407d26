"""Writing JSON, into which text that is JSON already goes as it stands."""

import json
import re
import secrets
from dataclasses import dataclass
from typing import Final

from aiohttp import web

# What is kept: strings, and all but white space outside of them.
_TOKENS: Final = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\n\r]+')

# Stands in for a JsonText until the rest is written; nobody outside knows it, so no value can hold it.
_PLACE: Final = secrets.token_hex(16)


@dataclass(frozen=True)
class JsonText:
    """A value by its JSON: numbers stay as they are written, whatever Python would make of them."""

    text: str


# Making an encoder takes as long as writing a small value.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def to_json(value: object) -> bytes:
    """Writes compact JSON; what is not ASCII stands as UTF-8, lone surrogates as the escapes that they came from."""
    try:
        written = _ENCODER.encode(value)
    except TypeError:  # it has a JsonText, or what has no JSON
        written = _with_texts(value)
    return written.encode("utf-8", "backslashreplace")


def _with_texts(value: object) -> str:
    texts: list[str] = []

    def place(inner: object) -> str:
        if not isinstance(inner, JsonText):
            raise TypeError(f"{type(inner).__name__} has no JSON")
        texts.append(_TOKENS.sub(lambda token: token[1] or "", inner.text))
        return _PLACE

    first, *others = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=place).split(f'"{_PLACE}"')
    return first + "".join(text + other for text, other in zip(texts, others, strict=True))


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answers JSON.

    The content type has no charset: workerd compares it with "application/json" as a whole and hands out a stream
    instead of an object for anything else (src/cloudflare/internal/ai-api.ts).
    """
    return web.Response(
        body=to_json(value), status=status, headers={**(headers or {}), "Content-Type": "application/json"}
    )
