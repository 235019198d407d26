"""A request's body: read within bounds, and parsed where that holds up nobody."""

import asyncio
import json
import math
from collections.abc import Callable
from typing import Final, TypeVar

from aiohttp import web

from bridge.errors import AiError

T = TypeVar("T")

MAX_BODY_BYTES: Final = 2 * 1024 * 1024

# Above this, parsing takes longer than other streams should wait.
MAX_INLINE_BYTES: Final = 64 * 1024


async def read_body(request: web.Request, parse: Callable[[bytes], T], max_bytes: int = MAX_BODY_BYTES) -> T:
    """Reads a request's body and what it says.

    Args:
        request: The request, of which nothing was read yet.
        parse: Turns the bytes into a value; runs in a thread if they are many.
        max_bytes: The most bytes that the body may have.

    Raises:
        AiError: The body is too large or wrongly encoded, or `parse` raises one.
    """
    try:
        body = await request.clone(client_max_size=max_bytes).read()
    except web.HTTPRequestEntityTooLarge:
        raise AiError("BODY_TOO_LARGE") from None
    except web.RequestPayloadError:
        raise AiError("INVALID_REQUEST", "the body is not in the encoding that the headers say") from None
    if len(body) > MAX_INLINE_BYTES:
        return await asyncio.to_thread(parse, body)
    return parse(body)


def parse_json(body: bytes, convert: Callable[[object], T]) -> T:
    """Reads a body as JSON, whatever the request's content type says, and converts it.

    Args:
        body: JSON in UTF-8.
        convert: Turns the value into what is wanted.

    Raises:
        AiError: It is empty, is no JSON, or has what no message can hold; or `convert` raises one.
    """
    if not body.strip():
        raise AiError("BODY_EMPTY")
    try:
        return convert(_loads(body))
    except RecursionError:
        raise AiError("INVALID_REQUEST", "the body is nested too deeply") from None
    except UnicodeEncodeError:
        raise AiError("INVALID_REQUEST", "a string has a lone surrogate, which is no character") from None


def finite(literal: str) -> float:
    """Reads a number; Python's json would take NaN, Infinity and 1e999, which no JSON can answer to."""
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(literal)
    return number


def _loads(body: bytes) -> object:
    try:
        return json.loads(body.decode("utf-8-sig"), parse_float=finite, parse_constant=finite)
    except UnicodeDecodeError as error:
        raise AiError("INVALID_REQUEST", f"the body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise AiError("INVALID_REQUEST", f"the body is not JSON: {error.msg} at {place}") from None
    except ValueError:
        raise AiError("INVALID_REQUEST", "the body has a number that is not finite or too long") from None
