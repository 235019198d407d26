"""The file in which batches outlive the service: SQLite, one process at a time."""

import asyncio
import contextlib
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from service.config import ConfigError
from service.errors import BatchNotFoundError

_VERSION = 1

_T = TypeVar("_T")

# What is small stands in front of the blobs, so that looking for it reads none of them.
_SCHEMA = """
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    model TEXT NOT NULL,
    num_items INTEGER NOT NULL,
    num_succeeded INTEGER NOT NULL DEFAULT 0,
    num_failed INTEGER NOT NULL DEFAULT 0,
    has_begun INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    ended_at REAL
);
CREATE TABLE items (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    batch INTEGER NOT NULL REFERENCES batches(number) ON DELETE CASCADE,
    item_index INTEGER NOT NULL,
    is_done INTEGER NOT NULL DEFAULT 0,
    external_reference TEXT,
    request BLOB NOT NULL,
    result BLOB
);
CREATE INDEX items_of_batch ON items (batch, item_index);
CREATE INDEX waiting_items ON items (number) WHERE is_done = 0;
"""

_RECORD = "id, model, num_items, num_succeeded, num_failed, has_begun, created_at, ended_at"


class BatchRecord(NamedTuple):
    """A batch as it stands in the file.

    Attributes:
        id, model: Its id and the model that its items ask.
        num_items, num_succeeded, num_failed: How many items it has, and how many of them have ended which way.
        has_begun: Whether any of them has been started.
        created_at, ended_at: When, in seconds since 1970; `ended_at` is None until every item has its result.
    """

    id: str
    model: str
    num_items: int
    num_succeeded: int
    num_failed: int
    has_begun: int
    created_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True, order=True)
class WaitingItem:
    """An item without a result.

    Attributes:
        number: Its place in the order of all items.
        batch_id, index: Which item of which batch it is.
        external_reference: What its result repeats.
        request: Its RunRequest, serialized.
    """

    number: int
    batch_id: str
    index: int
    external_reference: str | None
    request: bytes


class NewItem(NamedTuple):
    """An item to be stored; see `WaitingItem`."""

    external_reference: str | None
    request: bytes


class BatchStore:
    """Keeps batches. To be used by one thread at a time; each change is on disk when its method returns.

    Args:
        path: The file; it and its folder are made if they are not there, for this user's eyes only.
        ttl_s: For how many seconds a batch is kept once it is done.

    Raises:
        ConfigError: The file can't be used, or another process uses it.
    """

    def __init__(self, path: Path, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        try:
            self._db = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(_reason(path, error)) from error

    def close(self) -> None:
        """Gives the file free for another process."""
        self._db.close()

    def create(self, account: str, model: str, items: Sequence[NewItem], now: float) -> str:
        """Stores a batch; returns its id."""
        batch_id = str(uuid.uuid4())
        with self._transaction():
            number = self._db.execute(
                "INSERT INTO batches (id, account, model, num_items, created_at) VALUES (?, ?, ?, ?, ?)",
                (batch_id, account, model, len(items), now),
            ).lastrowid
            self._db.executemany(
                "INSERT INTO items (batch, item_index, external_reference, request) VALUES (?, ?, ?, ?)",
                [(number, index, item.external_reference, item.request) for index, item in enumerate(items)],
            )
        return batch_id

    def get(self, account: str, batch_id: str, now: float) -> BatchRecord:
        """What there is to tell of a batch.

        Raises:
            BatchNotFoundError: There is none with this id that the account may read, or it has expired.
        """
        sought = f"SELECT {_RECORD} FROM batches WHERE id = ? AND account = ?"  # noqa: S608 - names of our own
        row = self._db.execute(sought, (batch_id, account)).fetchone()
        record = BatchRecord(*row) if row else None
        if record is None or (record.ended_at is not None and record.ended_at + self._ttl_s <= now):
            message = f"There is no batch {batch_id}: it never was this account's, was deleted, or has expired"
            raise BatchNotFoundError(message, batch_id=batch_id)
        return record

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

    def delete(self, batch_id: str) -> int:
        """Forgets a batch with all its items; returns how many of them had no result."""
        with self._transaction():
            deleted = self._db.execute(
                "DELETE FROM batches WHERE id = ? RETURNING num_items - num_succeeded - num_failed", (batch_id,)
            ).fetchall()
        return sum(num_waiting for (num_waiting,) in deleted)

    def delete_expired(self, now: float) -> int:
        """Forgets the batches whose time is up; returns how many."""
        with self._transaction():
            return self._db.execute("DELETE FROM batches WHERE ended_at <= ?", (now - self._ttl_s,)).rowcount

    def num_waiting(self) -> int:
        """How many items have no result."""
        count: int = self._db.execute("SELECT count(*) FROM items WHERE is_done = 0").fetchone()[0]
        return count

    def waiting(self, models: Sequence[str], after_number: int, limit: int) -> list[WaitingItem]:
        """The first items after a number that ask one of some models and have no result, oldest first."""
        marks = ", ".join("?" * len(models))
        rows = self._db.execute(
            "SELECT items.number, id, item_index, external_reference, request "  # noqa: S608 - only marks are put in
            "FROM items INDEXED BY waiting_items CROSS JOIN batches ON batches.number = batch "
            f"WHERE is_done = 0 AND items.number > ? AND model IN ({marks}) ORDER BY items.number LIMIT ?",
            (after_number, *models, limit),
        )
        return [WaitingItem(*row) for row in rows]

    def begin(self, batch_id: str) -> bool:
        """Notes that an item of a batch is being started; whether it is the first."""
        with self._transaction():
            changed = self._db.execute("UPDATE batches SET has_begun = 1 WHERE id = ? AND NOT has_begun", (batch_id,))
        return changed.rowcount > 0

    def finish(self, item: WaitingItem, result: bytes, now: float, *, has_succeeded: bool) -> bool:
        """Stores an item's result, the first only; False if it has one or its batch is gone."""
        with self._transaction():
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
        return True

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


class StoreThread:
    """Uses a store in a thread of its own, so that the event loop never waits for the disk.

    Args:
        store: The store.
    """

    def __init__(self, store: BatchStore) -> None:
        self._store = store
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")

    async def __call__(self, use: Callable[[BatchStore], _T]) -> _T:
        """What `use` returns of the store."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, use, self._store)

    def close(self) -> None:
        """Lets what has begun end, and closes the store."""
        self._executor.shutdown(cancel_futures=True)
        self._store.close()


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():  # closing a file that is in use would give up this process's locks on it
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)  # SQLite gives the files beside it the same mode
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    # Held until the connection is closed, or the process ended, whichever way.
    for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
        db.execute(f"PRAGMA {pragma}")
    # What is deleted was a prompt or an answer.
    for pragma in ("secure_delete = ON", "foreign_keys = ON"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("BEGIN EXCLUSIVE")
    version = _pragma(db, "user_version")
    if version not in (0, _VERSION):
        raise sqlite3.DatabaseError(f"its version is {version}, and this service knows only {_VERSION}")
    if version == 0:
        for statement in (*_SCHEMA.split(";")[:-1], f"PRAGMA user_version = {_VERSION}"):
            db.execute(statement)
    db.execute("COMMIT")


def _pragma(db: sqlite3.Connection, name: str) -> Any:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def _reason(path: Path, error: Exception) -> str:
    advice = "choose another with --batch-db, or none for no batches"
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
        return f"--batch-db {path} is in use by another service: {advice}"
    return f"--batch-db {path} can't be used: {error}; {advice}"
