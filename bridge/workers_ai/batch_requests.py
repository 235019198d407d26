"""Workers AI's asynchronous batches: bodies with `requests` or a `request_id` instead of an input.

`queueRequest`, in the query or in the body's `options`, makes a batch of `{"requests": [{…}]}`. The answer has a
`request_id`; asked with that, whatever `queueRequest` says, the same address tells how far the batch is, and in the end
its results.
"""

import re
from types import MappingProxyType
from typing import Final, NamedTuple

from runstream.v1 import batches_pb2

from bridge.errors import AiError
from bridge.spelling import Spelling, within
from bridge.workers_ai.shapes.shape import Shape

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
    """A request to tell how far a batch is.

    Attributes:
        request_id: The batch's id.
        spelling: As of the others; nothing is spelled.
    """

    request_id: str
    spelling: Spelling = MappingProxyType({})


def to_poll(request_id: object) -> Poll:
    """Reads a body with a `request_id`.

    Raises:
        AiError: It is no string.
    """
    if not isinstance(request_id, str):
        raise AiError("INVALID_REQUEST", "'/request_id' must be the string that the batch was answered with")
    return Poll(request_id)


def to_batch(model_id: str, value: object, shape: Shape) -> NewBatch:
    """Reads a body with `requests`.

    Raises:
        AiError: There are none or too many, or some are not what the schema allows; it names the first of these.
    """
    requests = value.get("requests") if isinstance(value, dict) else None
    if not isinstance(requests, list):
        raise AiError("INVALID_REQUEST", "required properties at '/' are 'requests', an array, with queueRequest")
    if not 1 <= len(requests) <= MAX_REQUESTS:
        raise AiError(
            "INVALID_REQUEST", f"'/requests' has {len(requests)} entries, and a batch has 1 to {MAX_REQUESTS}"
        )
    items, violations, spelling = [], list[str](), dict[str, str]()
    for index, entry in enumerate(requests):
        try:
            item, spelled = _to_item(model_id, entry, shape)
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


def _to_item(model_id: str, value: object, shape: Shape) -> tuple[batches_pb2.BatchItem, Spelling]:
    reference = value.get("external_reference") if isinstance(value, dict) else None
    if reference is not None and (not isinstance(reference, str) or len(reference) > MAX_REFERENCE_CHARACTERS):
        message = f"'/external_reference' must be a string of at most {MAX_REFERENCE_CHARACTERS} characters"
        raise AiError("INVALID_REQUEST", message)
    item = shape.read(model_id, value)
    if fault := item.batch_fault:
        raise AiError("INVALID_REQUEST", fault)
    return batches_pb2.BatchItem(request=item.request, external_reference=reference), item.spelling


def _within(index: int, description: str) -> str:
    """The faults of one request, with their paths as they are in the whole body."""
    here = f"/requests/{index}"
    told = _QUOTED_PATH.sub(lambda path: f"'{here}/{path[1]}'" if path[1] else f"'{here}'", description)
    return told if told != description else f"'{here}': {description}"
