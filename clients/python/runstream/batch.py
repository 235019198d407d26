"""Batches as values: their items, how far they are, their results."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from google.protobuf.timestamp_pb2 import Timestamp

from runstream.errors import RunstreamError, from_reason
from runstream.fields import list_of, set_field
from runstream.requests import as_run_options, make_request
from runstream.results import RunResult, to_result
from runstream.v1 import batches_pb2 as pb
from runstream.v1 import text_generation_pb2

BatchState = Literal["queued", "running", "done", "cancelled", "unknown"]
"""How far a batch is; "unknown" is a state that is newer than this client."""

BatchItemLike = str | Mapping[str, Any] | text_generation_pb2.RunRequest | pb.BatchItem

_STATES: Final[Mapping[int, BatchState]] = {
    pb.BATCH_STATE_QUEUED: "queued",
    pb.BATCH_STATE_RUNNING: "running",
    pb.BATCH_STATE_DONE: "done",
    pb.BATCH_STATE_CANCELLED: "cancelled",
}
_REFERENCE: Final = "external_reference"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch, and how far it is.

    Attributes:
        id: Its id, a UUID.
        model: The model that its items ask.
        state: Whether its items wait, run, have all their result, or were cancelled.
        num_items: How many it has.
        num_succeeded: How many have an answer.
        num_failed: How many have failed, those that were cancelled included.
        create_time: When it was created.
        end_time: When its last item got its result; None until then.
        expire_time: When it is forgotten; None until it has ended.
    """

    id: str
    model: str
    state: BatchState
    num_items: int
    num_succeeded: int
    num_failed: int
    create_time: datetime
    end_time: datetime | None
    expire_time: datetime | None

    @property
    def num_ended(self) -> int:
        """The number of items that have their result."""
        return self.num_succeeded + self.num_failed

    @property
    def has_ended(self) -> bool:
        """Tells whether every item has its result."""
        return self.state in ("done", "cancelled")


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The end of an item: one of `result` and `error` is None.

    Attributes:
        index: The item's place in the batch, counted from 0.
        external_reference: What the item asked to be known by; None for nothing.
        result: Its answer.
        error: Why it has none; an error as a call would have raised.
    """

    index: int
    external_reference: str | None
    result: RunResult[Any] | None
    error: RunstreamError | None


def to_batch(batch: pb.Batch) -> Batch:
    """Translates a batch of the contract's."""
    return Batch(
        batch.id,
        batch.model,
        _STATES.get(batch.state, "unknown"),
        batch.num_items,
        batch.num_succeeded,
        batch.num_failed,
        _time(batch.create_time),
        _time(batch.end_time) if batch.HasField("end_time") else None,
        _time(batch.expire_time) if batch.HasField("expire_time") else None,
    )


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC)


def to_batch_result(result: pb.BatchResult) -> BatchResult:
    """Translates an item's result of the contract's; `parsed` of one that asked for JSON is that."""
    reference = result.external_reference if result.HasField(_REFERENCE) else None
    if result.HasField("failure"):
        error = from_reason(result.failure.reason, result.failure.message)
        return BatchResult(result.index, reference, None, error)
    parse = json.loads if result.is_json else None
    return BatchResult(result.index, reference, to_result(result.response, parse), None)


def make_items(items: Iterable[BatchItemLike]) -> list[pb.BatchItem]:
    """Translates items to the contract's.

    Args:
        items: Prompts, `run`'s keywords as dicts with `external_reference` besides, or messages of the contract.

    Raises:
        TypeError: One is wrong; the message begins with its place.
        ValueError: A value of one does not fit its field; the message begins alike.
    """
    return [_make_item(item, number) for number, item in enumerate(list_of(items, "items"))]


def _make_item(item: BatchItemLike, number: int) -> pb.BatchItem:
    if isinstance(item, pb.BatchItem):
        return item
    if isinstance(item, text_generation_pb2.RunRequest):
        return pb.BatchItem(request=item)
    if not isinstance(item, str | Mapping):
        raise TypeError(f"items[{number}] is of type {type(item).__name__}: give a prompt or a dict of run's keywords")
    options = {"prompt": item} if isinstance(item, str) else dict(item)
    reference = options.pop(_REFERENCE, None)
    try:
        # The batch has the model.
        request = make_request("", **as_run_options(options))
    except (TypeError, ValueError) as error:
        # A UnicodeEncodeError takes more than a message.
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"items[{number}]: {error}") from None
    made = pb.BatchItem(request=request)
    if reference is not None:
        set_field(made, _REFERENCE, reference, f"items[{number}].{_REFERENCE}")
    return made
