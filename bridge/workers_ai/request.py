"""A body of Workers AI's routes as a request: read, parsed within bounds, and checked."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from bridge.errors import AiError
from bridge.http.body import MAX_BODY_BYTES, MAX_VALUES, parse_json, read_body
from bridge.workers_ai.batch_requests import MAX_BATCH_VALUES, NewBatch, Poll, _to_batch, _to_poll
from bridge.workers_ai.schema import check_input
from bridge.workers_ai.translation import RunInput, to_run_input

# Cloudflare's "under 10 MB"; what is no batch keeps to the limit of all bodies.
MAX_BATCH_BYTES: Final = 10 * 1024 * 1024

RunBody = RunInput | NewBatch | Poll


async def read_run_body(http_request: web.Request, model_id: str) -> RunBody:
    """Reads the body of a run request.

    Args:
        http_request: The request, of which nothing was read yet.
        model_id: The model's id.

    Raises:
        AiError: As for `parse_run_body`; or the body is larger than any may be.
    """
    is_queued = http_request.query.get("queueRequest", "false") != "false"
    return await read_body(http_request, partial(parse_run_body, model_id, is_queued=is_queued), MAX_BATCH_BYTES)


def parse_run_body(model_id: str, body: bytes, *, is_queued: bool = False) -> RunBody:
    """Reads what a run request asks.

    Args:
        model_id: The model's id.
        body: JSON, whatever the request's content type says.
        is_queued: Whether the query asks for a batch.

    Raises:
        AiError: It is not JSON, not what the schema allows, or asks for what this surface does not have.
    """
    return parse_bounded(
        body, lambda value: to_run_body(model_id, value, options_of(value), is_queued=is_queued), is_queued=is_queued
    )


def parse_bounded(body: bytes, convert: Callable[[object], RunBody], *, is_queued: bool) -> RunBody:
    """Reads a body as JSON and converts it; only that of a batch may be larger than others.

    Args:
        body: JSON in UTF-8, of a size that a batch may have.
        convert: Tells what the value asks.
        is_queued: Whether the query asks for a batch.

    Raises:
        AiError: The body is too large for what it asks, or as for `parse_json`.
    """
    is_large = len(body) > MAX_BODY_BYTES
    may_be_batch = is_queued or b'"queueRequest"' in body
    if is_large and not may_be_batch:
        raise AiError("BODY_TOO_LARGE")
    run_body = parse_json(body, convert, MAX_BATCH_VALUES if may_be_batch else MAX_VALUES)
    if is_large and isinstance(run_body, RunInput):
        raise AiError("BODY_TOO_LARGE")
    return run_body


def options_of(value: object) -> Mapping[str, Any]:
    """The options that stand in a body or beside its inputs; empty if what stands there is none."""
    options = value.get("options") if isinstance(value, dict) else None
    return options if isinstance(options, dict) else {}


def to_run_body(model_id: str, value: object, options: Mapping[str, Any], *, is_queued: bool = False) -> RunBody:
    """Tells a new batch, a poll of one and an ordinary input apart.

    Args:
        model_id: The model's id.
        value: The input, as JSON has it.
        options: The options beside it.
        is_queued: Whether a batch is asked for by other means than the options.

    Raises:
        AiError: The input is not what the schema allows, or asks for what this surface does not have.
    """
    if isinstance(value, dict) and not value.keys() & {"prompt", "messages", "requests"}:
        request_id = value.get("request_id")
        if request_id is not None:
            return _to_poll(request_id)
    if is_queued or options.get("queueRequest"):
        return _to_batch(model_id, value)
    return to_run_input(model_id, check_input(value))
