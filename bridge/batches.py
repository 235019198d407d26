"""Workers AI's asynchronous batches: bodies with `requests` or a `request_id` instead of an input.

`queueRequest`, in the query or in the body's `options`, makes a batch of `{"requests": [{…}]}`. The answer has a
`request_id`; asked with that, whatever `queueRequest` says, the same address tells how far the batch is, and in the end
its results.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from aiohttp import web
from runstream.v1 import batches_pb2

from bridge.body import MAX_BODY_BYTES, MAX_VALUES, parse_json, read_body
from bridge.errors import AiError
from bridge.schema import check_input
from bridge.spelling import Spelling, within
from bridge.translation import Question, to_question

# Cloudflare's "under 10 MB"; what is no batch keeps to the limit of all bodies.
MAX_BATCH_BYTES: Final = 10 * 1024 * 1024
MAX_REQUESTS: Final = 10_000
MAX_BATCH_VALUES: Final = 400_000
MAX_REFERENCE_CHARACTERS: Final = 1024
MAX_VIOLATIONS: Final = 20

_QUOTED_PATH: Final = re.compile(r"'/([^']*)'")


class NewBatch(NamedTuple):
    """Requests that are to be answered some time.

    Attributes:
        items: The requests in the contract's words.
        spelling: Where the body has what may be found fault with.
    """

    items: list[batches_pb2.BatchItem]
    spelling: Spelling


class Poll(NamedTuple):
    """The question how far a batch is.

    Attributes:
        request_id: The batch's id.
        spelling: As of the others; nothing is spelled.
    """

    request_id: str
    spelling: Spelling = MappingProxyType({})


Asked = Question | NewBatch | Poll


async def read_asked(request: web.Request, model: str) -> Asked:
    """Reads the body of a run request.

    Args:
        request: The request, of which nothing was read yet.
        model: The model that it asks.

    Raises:
        AiError: As for `parse_asked`; or the body is larger than any may be.
    """
    is_queued = request.query.get("queueRequest", "false") != "false"
    return await read_body(request, partial(parse_asked, model, is_queued=is_queued), MAX_BATCH_BYTES)


def parse_asked(model: str, body: bytes, *, is_queued: bool = False) -> Asked:
    """Reads what a run request asks.

    Args:
        model: The model that is asked.
        body: JSON, whatever the request's content type says.
        is_queued: Whether the query asks for a batch.

    Raises:
        AiError: It is not JSON, not what the schema allows, or asks for what this surface does not have.
    """
    return parse_bounded(
        body, lambda value: to_asked(model, value, options_of(value), is_queued=is_queued), is_queued=is_queued
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


def to_asked(model: str, value: object, options: Mapping[str, Any], *, is_queued: bool = False) -> Asked:
    """Tells a batch, the question for one and an ordinary input apart.

    Args:
        model: The model that is asked.
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
        return _to_batch(model, value)
    return to_question(model, check_input(value))


def _to_poll(request_id: object) -> Poll:
    if not isinstance(request_id, str):
        raise AiError("INVALID_REQUEST", "'/request_id' must be the string that the batch was answered with")
    return Poll(request_id)


def _to_batch(model: str, value: object) -> NewBatch:
    requests = value.get("requests") if isinstance(value, dict) else None
    if not isinstance(requests, list):
        raise AiError("INVALID_REQUEST", "required properties at '/' are 'requests', an array, with queueRequest")
    if not 1 <= len(requests) <= MAX_REQUESTS:
        raise AiError(
            "INVALID_REQUEST", f"'/requests' has {len(requests)} entries, and a batch has 1 to {MAX_REQUESTS}"
        )
    items, violations, spelling = [], list[str](), dict[str, str]()
    for index, request in enumerate(requests):
        try:
            item, spelled = _to_item(model, request)
            items.append(item)
            spelling |= within(f"/requests/{index}", spelled)
        except AiError as error:
            violations.append(_within(index, error.description))
            if len(violations) > MAX_VIOLATIONS:
                break
    if violations:
        more = ["and more"] * (len(violations) > MAX_VIOLATIONS)
        raise AiError("INVALID_REQUEST", ", ".join(violations[:MAX_VIOLATIONS] + more))
    return NewBatch(items, spelling)


def _to_item(model: str, value: object) -> tuple[batches_pb2.BatchItem, Spelling]:
    reference = value.get("external_reference") if isinstance(value, dict) else None
    if reference is not None and (not isinstance(reference, str) or len(reference) > MAX_REFERENCE_CHARACTERS):
        message = f"'/external_reference' must be a string of at most {MAX_REFERENCE_CHARACTERS} characters"
        raise AiError("INVALID_REQUEST", message)
    request, is_streamed, spelling = to_question(model, check_input(value))
    if is_streamed:
        raise AiError("INVALID_REQUEST", "'/stream' must be false, a batch has no streams")
    return batches_pb2.BatchItem(request=request, external_reference=reference), spelling


def _within(index: int, description: str) -> str:
    """What is wrong with one request, with its paths as they are in the whole body."""
    here = f"/requests/{index}"
    told = _QUOTED_PATH.sub(lambda path: f"'{here}/{path[1]}'" if path[1] else f"'{here}'", description)
    return told if told != description else f"'{here}': {description}"
