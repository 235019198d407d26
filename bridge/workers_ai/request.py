"""A body of Workers AI's routes as a request: parsed within bounds, checked and translated."""

from typing import Final

from aiohttp import web

from bridge.errors import AiError
from bridge.http.access_log import ACCESS
from bridge.http.body import MAX_BODY_BYTES, MAX_INLINE_BYTES, MAX_VALUES, json_errors, parse_json
from bridge.upstream.rate_limits import USED_UP
from bridge.upstream.room import ROOM
from bridge.workers_ai.batch_requests import MAX_BATCH_VALUES, NewBatch, Poll, to_batch, to_poll
from bridge.workers_ai.shapes.native import NATIVE_SHAPE
from bridge.workers_ai.shapes.shape import Shape, ShapedInput

# Cloudflare's "under 10 MB"; what is no batch keeps to the limit of all bodies.
MAX_BATCH_BYTES: Final = 10 * 1024 * 1024

RunBody = ShapedInput | NewBatch | Poll


@json_errors
def parse_run_body(model_id: str, body: bytes, shape: Shape = NATIVE_SHAPE, *, is_queued: bool = False) -> RunBody:
    """Reads what a run request says.

    Args:
        model_id: The model's id.
        body: JSON, whatever the request's content type says, of a size that a batch may have.
        shape: The model's.
        is_queued: Whether the query asks for a batch.

    Raises:
        AiError: It is not JSON, not what the schema allows, or asks for what this surface does not have; or it is too
            large for what it says.
    """
    value = parse_run_json(body, is_queued=is_queued)
    return to_run_body(model_id, value, len(body), shape, is_queued=is_queued)


def parse_run_json(body: bytes, *, is_queued: bool = False) -> object:
    """Reads a body as JSON; only that of a batch may be larger than others.

    Args:
        body: JSON in UTF-8, of a size that a batch may have.
        is_queued: Whether the query asks for a batch.

    Raises:
        AiError: It is larger, or as for `parse_json`.
        RecursionError: It is nested too deeply.
    """
    may_be_batch = is_queued or b'"queueRequest"' in body
    if len(body) > MAX_BODY_BYTES and not may_be_batch:
        raise AiError("BODY_TOO_LARGE")
    return parse_json(body, MAX_BATCH_VALUES if may_be_batch else MAX_VALUES)


def to_run_body(model_id: str, value: object, num_bytes: int, shape: Shape, *, is_queued: bool = False) -> RunBody:
    """Tells a new batch, a poll of one and an ordinary input apart.

    Args:
        model_id: The model's id.
        value: The input with its options, as JSON has it.
        num_bytes: The size of the body that it stands in.
        shape: The model's.
        is_queued: Whether a batch is asked for by other means than the options.

    Raises:
        AiError: The input is not what the schema allows, asks for what this surface does not have, or is too large.
        RecursionError: It is nested too deeply.
        UnicodeEncodeError: A text of it has a lone surrogate.
    """
    if isinstance(value, dict) and not value.keys() & {"prompt", "messages", "input", "requests"}:
        request_id = value.get("request_id")
        if request_id is not None:
            return to_poll(request_id)
    if is_queued or _has_queue_option(value):
        return to_batch(model_id, value, shape)
    shaped_input = shape.read(model_id, value)
    if num_bytes > MAX_BODY_BYTES:
        raise AiError("BODY_TOO_LARGE")
    return shaped_input


def check_room(http_request: web.Request, model_id: str, body: bytes | None = None) -> None:
    """Refuses a request that the service would refuse whatever it asks, before it is parsed; not one about batches.

    Args:
        http_request: The request, identified.
        model_id: The model's id.
        body: What it is, if it was read.

    Raises:
        AiError: There is no room, or its token has asked for as much as it may.
    """
    if body is None:
        # What is short is here already, and may be about a batch.
        may_be_about_batch = (http_request.content_length or 0) <= MAX_INLINE_BYTES
    else:
        may_be_about_batch = any(name in body for name in (b'"request_id"', b'"requests"', b'"queueRequest"'))
    if not may_be_about_batch:
        http_request.app[USED_UP].check(http_request)
        http_request.app[ROOM].check(http_request[ACCESS].account, model_id)


def _has_queue_option(value: object) -> bool:
    options = value.get("options") if isinstance(value, dict) else None
    return isinstance(options, dict) and bool(options.get("queueRequest"))
