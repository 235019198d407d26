"""A request's body: read within bounds, and parsed where that holds up nobody."""

import asyncio
import json
import math
import re
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import Final, ParamSpec, TypeVar

from aiohttp import web

from bridge.config import CONFIG
from bridge.errors import AiError
from bridge.http.content_encoding import decode, encoding_of
from bridge.http.metrics import METRICS
from bridge.http.timed_connection import TimedConnection
from bridge.http.turns import TURN

P = ParamSpec("P")
T = TypeVar("T")

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
MAX_VALUES: Final = 65_536
MAX_DIGITS: Final = 400

# A body that comes at least so fast has the time that it needs.
LEAST_BYTES_PER_S: Final = 64 * 1024

# Above this, parsing takes longer than other streams should wait.
MAX_INLINE_BYTES: Final = 16 * 1024

# Threads share one interpreter lock, so more of them would only hold the event loop up. The executors drop what waits
# for a thread when its client leaves. Large bodies, of which each takes long, have a thread of their own.
_LARGE: Final = ThreadPoolExecutor(1, "large-body")
_OTHERS: Final = ThreadPoolExecutor(2, "body")

# Also one without an end, or each quote in it would be tried for a beginning.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)


async def read_body(
    http_request: web.Request, max_bytes: int = MAX_BODY_BYTES, ignored_encodings: Collection[str] = ()
) -> bytes:
    """Reads and decodes a request's body, and waits for the request's turn if it is large.

    Args:
        http_request: The request, of which nothing was read yet.
        max_bytes: The most bytes that the body may have, compressed and decoded.
        ignored_encodings: Values of Content-Encoding that say nothing.

    Raises:
        AiError: The body is too large, too slow or wrongly encoded, or its turn does not come within the deadline.
    """
    encoding = encoding_of(http_request, ignored_encodings)
    try:
        body = await _received(http_request, max_bytes)
    except web.RequestPayloadError:
        raise AiError("INVALID_REQUEST", "the body is not in the encoding that the headers say") from None
    if encoding:
        body = await _in_thread(len(body), decode, body, encoding, max_bytes)
    try:
        async with asyncio.timeout(http_request.app[CONFIG].deadline_s):
            await http_request[TURN].wait(len(body))
    except TimeoutError:
        raise AiError("DEADLINE_EXCEEDED") from None
    return body


async def _received(http_request: web.Request, max_bytes: int) -> bytes:
    if (http_request.content_length or 0) > max_bytes:
        raise AiError("BODY_TOO_LARGE")
    limit_s = http_request.app[CONFIG].body_timeout_s
    received = bytearray()
    began_at = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(limit_s) as limit:
            while chunk := await http_request.content.readany():
                received += chunk
                if len(received) > max_bytes:
                    raise AiError("BODY_TOO_LARGE")
                limit.reschedule(began_at + limit_s + len(received) / LEAST_BYTES_PER_S)
    except TimeoutError:
        http_request.app[METRICS].count_ended_connection("slow_body")
        if isinstance(http_request.protocol, TimedConnection):
            http_request.protocol.read_no_more()
        raise AiError("BODY_TOO_SLOW", f"the body did not come within {limit_s:g} s") from None
    return bytes(received)


async def in_thread_if_long(num_bytes: int, parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls `parse` here if the body is short, else in a thread. If the caller is cancelled before, it is not called.

    Args:
        num_bytes: The size of the body that it parses.
        parse: Parses and checks a body, in a time in proportion to its size.
        args: Its arguments.
        kwargs: Its arguments by name.
    """
    if num_bytes <= MAX_INLINE_BYTES:
        return parse(*args, **kwargs)
    return await _in_thread(num_bytes, parse, *args, **kwargs)


async def _in_thread(num_bytes: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    executor = _LARGE if num_bytes > MAX_BODY_BYTES else _OTHERS
    return await asyncio.get_running_loop().run_in_executor(executor, partial(function, *args, **kwargs))


def json_errors(parse: Callable[P, T]) -> Callable[P, T]:
    """Turns what nesting and surrogates make json, jsonschema and protobuf raise in `parse` into an AiError."""

    @wraps(parse)
    def parse_or_refuse(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return parse(*args, **kwargs)
        except RecursionError:
            raise AiError("INVALID_REQUEST", "the body is nested too deeply") from None
        except UnicodeEncodeError:
            raise AiError("INVALID_REQUEST", "a string has a lone surrogate, which is no character") from None

    return parse_or_refuse


def parse_json(body: bytes, max_values: int = MAX_VALUES) -> object:
    """Reads a body as JSON, whatever the request's content type says.

    Args:
        body: JSON in UTF-8.
        max_values: The most values that it may have: numbers, texts, arrays, objects.

    Raises:
        AiError: It is empty, is no JSON, has more values, or has numbers that are not finite or too long.
        RecursionError: It is nested too deeply.
    """
    if not body.strip():
        raise AiError("BODY_EMPTY")
    if has_more_values(body, max_values):
        raise AiError("INVALID_REQUEST", f"the body has more than {max_values} JSON values")
    try:
        return json.loads(body.decode("utf-8-sig"), parse_int=integer, parse_float=finite, parse_constant=finite)
    except UnicodeDecodeError as error:
        raise AiError("INVALID_REQUEST", f"the body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise AiError("INVALID_REQUEST", f"the body is not JSON: {error.msg} at {place}") from None
    except ValueError:
        raise AiError("INVALID_REQUEST", "the body has a number that is not finite or too long") from None


def has_more_values(body: bytes, limit: int) -> bool:
    """Whether JSON has more values than a number, those within others counted.

    Told without making any of them: 700,000 empty arrays, which 2 MiB hold, take Python half a second, with the
    interpreter lock held. Every value but the first stands behind a comma or begins an array or object.
    """
    if _num_beginnings(body) < limit:
        return False
    # Two quotes around each text, and half of the texts may be names. One behind a backslash may be a text's own.
    if body.count(b'"') - body.count(rb"\"") > 4 * limit:
        return True
    bare = _STRING.sub(b"0", body).translate(None, b" \t\r\n")
    return _num_beginnings(bare) - bare.count(b"[]") - bare.count(b"{}") >= limit


def finite(literal: str) -> float:
    """Reads a number; Python's json would take NaN, Infinity and 1e999, which no JSON can answer to."""
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(literal)
    return number


def integer(literal: str) -> int:
    """Reads an integer; those of thousands of digits take long, and no field's range goes as far."""
    if len(literal) > MAX_DIGITS:
        raise ValueError(literal)
    return int(literal)


def _num_beginnings(body: bytes) -> int:
    return sum(map(body.count, (b",", b"[", b"{")))
