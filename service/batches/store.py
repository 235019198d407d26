"""What is kept of batches, one process at a time, so that they outlive it."""

import contextlib
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from service.batches.file import open_file
from service.batches.records import BatchRecord, Cursor, NewBatch, WaitingItem
from service.batches.turns import Turns
from service.errors import BatchNotFoundError, InvalidRequestError, QueueFullError

MAX_WAITING_ITEMS = 100_000
# A UUID has 36; what is longer is no id of a batch and not worth repeating.
_MAX_SHOWN_CHARACTERS = 64

_RECORD = ", ".join(BatchRecord._fields)
_WAITING = "items.number, id, item_index, account, external_reference, request"


class BatchStore:
    """Keeps batches. To be used by one thread at a time; each change is on disk when its method returns.

    Args:
        path: The file; see `open_file`.
        ttl_s: For how many seconds a batch is kept once it is done.

    Raises:
        ConfigError: The file can't be used, or another process uses it.

    Attributes:
        num_waiting: How many items have no result; any thread may read it.
        is_erasable: Whether `erase` has something to do; any thread may read it.
    """

    def __init__(self, path: Path, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self.is_erasable = False
        self._db = open_file(path)
        self._turns = Turns(self._db)
        self.num_waiting: int = self._db.execute("SELECT count(*) FROM items WHERE is_done = 0").fetchone()[0]

    def close(self) -> None:
        """Gives the file free for another process."""
        self._db.close()

    def erase(self) -> None:
        """Lets nothing be left of what was answered or deleted, also not in the log beside the file."""
        is_busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self.is_erasable = bool(is_busy)

    def create(self, new: NewBatch, now: float) -> BatchRecord:
        """Stores a batch, unless an earlier request with its `request_id` has made one: then this is that one.

        Raises:
            InvalidRequestError: The earlier request had another model or other items.
            QueueFullError: With its items more would wait than may.
        """
        with self._transaction(erases=True):
            if earlier := self._of_request(new, now):
                return earlier
            if self.num_waiting + len(new.items) > MAX_WAITING_ITEMS:
                raise QueueFullError(
                    f"{self.num_waiting} items of batches are waiting already and {MAX_WAITING_ITEMS} may: send this "
                    "batch when others are done",
                    max_waiting_items=MAX_WAITING_ITEMS,
                )
            batch_id = str(uuid.uuid4())
            number = self._db.execute(
                "INSERT INTO batches (id, account, model, num_items, created_at, request_id, digest) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (batch_id, new.account, new.model, len(new.items), now, new.request_id or None, new.digest),
            ).lastrowid
            turn = self._turns.next(new.account, new.model)
            self._db.executemany(
                "INSERT INTO items (batch, item_index, external_reference, request, model, turn) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (number, index, item.external_reference, item.request, new.model, turn + index)
                    for index, item in enumerate(new.items)
                ],
            )
        self._turns.took(new.account, new.model, turn + len(new.items) - 1)
        self.num_waiting += len(new.items)
        return self.get(new.account, batch_id, now)

    def is_known(self, account: str, request_id: str, now: float) -> bool:
        """Whether an earlier request of the account with this id has made a batch that is still there."""
        return bool(self._select("account = ? AND request_id = ?", (account, request_id), now))

    def get(self, account: str, batch_id: str, now: float) -> BatchRecord:
        """What there is to tell of a batch.

        Raises:
            BatchNotFoundError: There is none with this id that the account may read, or it has expired.
        """
        found = self._select("id = ? AND account = ?", (batch_id, account), now)
        if not found:
            shown = batch_id[:_MAX_SHOWN_CHARACTERS]
            message = f"There is no batch {shown}: it never was this account's, was deleted, or has expired"
            raise BatchNotFoundError(message, batch_id=shown)
        return found[0]

    def page(self, account: str, after: Cursor | None, limit: int, now: float) -> list[BatchRecord]:
        """The account's batches behind a place in their list, newest first."""
        newest_first = "ORDER BY created_at DESC, id DESC LIMIT ?"
        if after is None:
            return self._select("account = ?", (account,), now, newest_first, limit)
        return self._select("account = ? AND (created_at, id) < (?, ?)", (account, *after), now, newest_first, limit)

    def results(self, batch_id: str, from_index: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """The indexes and results that a batch has from an index on: the first at least, the others up to a size."""
        rows = self._db.execute(
            "SELECT item_index, result FROM items WHERE batch = (SELECT number FROM batches WHERE id = ?) "
            "AND item_index >= ? AND is_done ORDER BY item_index",
            (batch_id, from_index),
        )
        found: list[tuple[int, bytes]] = []
        num_bytes = 0
        for index, result in rows:
            num_bytes += len(result)
            if found and num_bytes > max_bytes:
                break
            found.append((index, result))
        return found

    def cancel(
        self, account: str, batch_id: str, now: float, failure_of: Callable[[WaitingItem], bytes]
    ) -> tuple[BatchRecord, int]:
        """Gives every item that has no result a failure. A batch that has ended stays as it is.

        Returns:
            The batch as it is then, and how many of its items have failed so.

        Raises:
            BatchNotFoundError: As for `get`.
        """
        with self._transaction(erases=True):
            waiting = self._waiting_of(batch_id) if self.get(account, batch_id, now).num_waiting else []
            if waiting:
                self._db.executemany(
                    "UPDATE items SET is_done = 1, request = x'', result = ? WHERE number = ?",
                    [(failure_of(item), item.number) for item in waiting],
                )
                self._db.execute(
                    "UPDATE batches SET num_failed = num_failed + ?, is_cancelled = 1, ended_at = ? WHERE id = ?",
                    (len(waiting), now, batch_id),
                )
        self.num_waiting -= len(waiting)
        return self.get(account, batch_id, now), len(waiting)

    def delete(self, account: str, batch_id: str, now: float) -> None:
        """Forgets a batch with all its items.

        Raises:
            BatchNotFoundError: As for `get`.
        """
        with self._transaction(erases=True):
            record = self.get(account, batch_id, now)
            self._db.execute("DELETE FROM batches WHERE id = ?", (batch_id,))
        self.num_waiting -= record.num_waiting

    def delete_expired(self, now: float) -> int:
        """Forgets the batches whose time is up; returns how many."""
        with self._transaction(erases=True):
            return self._db.execute("DELETE FROM batches WHERE ended_at <= ?", (now - self._ttl_s,)).rowcount

    def waiting(self, models: Sequence[str], begun: Collection[int], limit: int) -> list[WaitingItem]:
        """The next items that ask one of some models and have no result, the accounts in turn, oldest first.

        Args:
            models: The models.
            begun: The numbers of items that are left out.
            limit: How many at most.
        """
        marks = ", ".join("?" * len(begun))
        found = [
            (turn, WaitingItem(*row))
            for model in models
            for turn, *row in self._db.execute(
                f"SELECT turn, {_WAITING} "  # noqa: S608 - names of our own and marks
                "FROM items INDEXED BY waiting_items CROSS JOIN batches ON batches.number = batch "
                f"WHERE items.model = ? AND is_done = 0 AND items.number NOT IN ({marks}) "
                "ORDER BY turn, items.number LIMIT ?",
                (model, *begun, limit),
            )
        ]
        return [item for _, item in sorted(found)[:limit]]

    def begin(self, item: WaitingItem) -> bool:
        """Notes that an item is being started; False if it has a result or its batch is gone."""
        with self._transaction():
            self._db.execute("UPDATE batches SET has_begun = 1 WHERE id = ? AND NOT has_begun", (item.batch_id,))
            sought = "SELECT 1 FROM items WHERE number = ? AND is_done = 0"
            return self._db.execute(sought, (item.number,)).fetchone() is not None

    def finish(self, item: WaitingItem, result: bytes, now: float, *, has_succeeded: bool) -> bool:
        """Stores an item's result, the first only; False if it has one or its batch is gone."""
        with self._transaction(erases=True):
            changed = self._db.execute(
                "UPDATE items SET is_done = 1, request = x'', result = ? WHERE number = ? AND is_done = 0",
                (result, item.number),
            )
            if not changed.rowcount:
                return False
            self._db.execute(
                "UPDATE batches SET num_succeeded = num_succeeded + ?, num_failed = num_failed + ? WHERE id = ?",
                (has_succeeded, not has_succeeded, item.batch_id),
            )
            self._db.execute(
                "UPDATE batches SET ended_at = ? WHERE id = ? AND num_succeeded + num_failed = num_items",
                (now, item.batch_id),
            )
        self.num_waiting -= 1
        return True

    def _of_request(self, new: NewBatch, now: float) -> BatchRecord | None:
        """The batch that an earlier request with the same id has made, if it has not expired."""
        if not new.request_id:
            return None
        key = (new.account, new.request_id)
        if not (found := self._select("account = ? AND request_id = ?", key, now)):
            # One that has expired may still be there.
            self._db.execute("DELETE FROM batches WHERE account = ? AND request_id = ?", key)
            return None
        sought = "SELECT digest FROM batches WHERE account = ? AND request_id = ?"
        if self._db.execute(sought, key).fetchone() != (new.digest,):
            message = (
                "request_id is that of an earlier request with another model or other items: give this one its own"
            )
            raise InvalidRequestError(message, "request_id")
        return found[0]

    def _select(
        self, where: str, values: tuple[object, ...], now: float, order: str = "LIMIT ?", limit: int = 1
    ) -> list[BatchRecord]:
        """The batches for which a condition holds and whose time is not up."""
        rows = self._db.execute(
            f"SELECT {_RECORD} FROM batches WHERE {where} "  # noqa: S608 - names and conditions of our own
            f"AND (ended_at IS NULL OR ended_at > ?) {order}",
            (*values, now - self._ttl_s, limit),
        )
        return [BatchRecord(*row) for row in rows]

    def _waiting_of(self, batch_id: str) -> list[WaitingItem]:
        rows = self._db.execute(
            f"SELECT {_WAITING} FROM batches JOIN items ON batch = batches.number "  # noqa: S608 - names of our own
            "WHERE id = ? AND is_done = 0 ORDER BY item_index",
            (batch_id,),
        )
        return [WaitingItem(*row) for row in rows]

    @contextlib.contextmanager
    def _transaction(self, *, erases: bool = False) -> Iterator[None]:
        """Commits at its end, or leaves all as it was."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield
        self.is_erasable |= erases
