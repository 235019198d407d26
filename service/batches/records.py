"""Batches and their items as the store takes and gives them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class BatchRecord(NamedTuple):
    """A batch as it stands in the file, field by column.

    Attributes:
        id, model: Its id and the model that its items ask.
        num_items, num_succeeded, num_failed: How many items it has, and how many of them have ended which way.
        has_begun, is_cancelled: Whether any of them has been started, and whether the batch was cancelled; 0 or 1.
        created_at, ended_at: When, in seconds since 1970; `ended_at` is None until every item has its result.
    """

    id: str
    model: str
    num_items: int
    num_succeeded: int
    num_failed: int
    has_begun: int
    is_cancelled: int
    created_at: float
    ended_at: float | None

    @property
    def num_waiting(self) -> int:
        """How many of its items have no result."""
        return self.num_items - self.num_succeeded - self.num_failed


@dataclass(frozen=True, slots=True, order=True)
class WaitingItem:
    """An item without a result.

    Attributes:
        number: Its place in the order of all items.
        batch_id, index: Which item of which batch it is.
        account: Who may read the batch.
        external_reference: What its result repeats.
        request: Its RunRequest, serialized.
    """

    number: int
    batch_id: str
    index: int
    account: str
    external_reference: str | None
    request: bytes


class NewItem(NamedTuple):
    """An item to be stored; see `WaitingItem`."""

    external_reference: str | None
    request: bytes


class NewBatch(NamedTuple):
    """A batch to be stored.

    Attributes:
        account: Who may read it.
        model: The model that its items ask.
        items: Its items.
        request_id: By what the request that makes it is known when it is sent again; empty if by nothing.
        digest: What tells the model and items of two such requests apart.
    """

    account: str
    model: str
    items: Sequence[NewItem]
    request_id: str = ""
    digest: bytes = b""


class Cursor(NamedTuple):
    """A place in an account's list of batches, just behind one: the time and id that it has."""

    created_at: float
    id: str
