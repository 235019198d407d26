"""A body of Workers AI's routes as a request: read, parsed within bounds, and checked."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from bridge.errors import AiError
from bridge.http.body import MAX_BODY_BYTES, MAX_VALUES, parse_json, read_body
from bridge.workers_ai.batch_requests import MAX_BATCH_VALUES, NewBatch, Poll, _to_batch, _to_poll
from bridge.workers_ai.schema import check_input
from bridge.workers_ai.translation import Question, to_question

# Cloudflare's "under 10 MB"; what is no batch keeps to the limit of all bodies.
MAX_BATCH_BYTES: Final = 10 * 1024 * 1024

Asked = Question | NewBatch | Poll


async def read_asked(http_request: web.Request, model_id: str) -> Asked:
    """Reads the body of a run request.

    Args:
        http_request: The request, of which nothing was read yet.
        model_id: The model that it asks.

    Raises:
        AiError: As for `parse_asked`; or the body is larger than any may be.
    """
    is_queued = http_request.query.get("queueRequest", "false") != "false"
    return await read_body(http_request, partial(parse_asked, model_id, is_queued=is_queued), MAX_BATCH_BYTES)


def parse_asked(model_id: str, body: bytes, *, is_queued: bool = False) -> Asked:
    """Reads what a run request asks.

    Args:
        model_id: The model that is asked.
        body: JSON, whatever the request's content type says.
        is_queued: Whether the query asks for a batch.

    Raises:
        AiError: It is not JSON, not what the schema allows, or asks for what this surface does not have.
    """
    return parse_bounded(
        body, lambda value: to_asked(model_id, value, options_of(value), is_queued=is_queued), is_queued=is_queued
    )


def parse_bounded(body: bytes, convert: Callable[[object], Asked], *, is_queued: bool) -> Asked:
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
    asked = parse_json(body, convert, MAX_BATCH_VALUES if may_be_batch else MAX_VALUES)
    if is_large and isinstance(asked, Question):
        raise AiError("BODY_TOO_LARGE")
    return asked


def options_of(value: object) -> Mapping[str, Any]:
    """The options that stand in a body or beside its inputs; empty if what stands there is none."""
    options = value.get("options") if isinstance(value, dict) else None
    return options if isinstance(options, dict) else {}


def to_asked(model_id: str, value: object, options: Mapping[str, Any], *, is_queued: bool = False) -> Asked:
    """Tells a batch, the question for one and an ordinary input apart.

    Args:
        model_id: The model that is asked.
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
    return to_question(model_id, check_input(value))
