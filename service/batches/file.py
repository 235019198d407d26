"""The SQLite file of the batches: how it is opened, and what earlier versions of it lack."""

import logging
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

from service.config import ConfigError

_log = logging.getLogger(__name__)

CHECK_TIMEOUT_S = 10.0
"""How long the start may be held up by the check whether the file is damaged."""

# What is small stands in front of the blobs, so that looking for it reads none of them.
FIRST_SCHEMA = """
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
_REQUEST_IDS_AND_CANCELS = """
ALTER TABLE batches ADD COLUMN is_cancelled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN request_id TEXT;
ALTER TABLE batches ADD COLUMN digest BLOB;
CREATE UNIQUE INDEX batches_by_request ON batches (account, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX batches_by_age ON batches (account, created_at, id);
"""
_TURNS = """
ALTER TABLE items ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
UPDATE items SET turn = number, model = (SELECT model FROM batches WHERE batches.number = batch) WHERE is_done = 0;
DROP INDEX waiting_items;
CREATE INDEX waiting_items ON items (model, turn, number) WHERE is_done = 0;
"""
# The first makes version 1, and each later one the next version of the one before: a new file goes through all.
_STEPS = (FIRST_SCHEMA, _REQUEST_IDS_AND_CANCELS, _TURNS)


class DamagedError(sqlite3.DatabaseError):
    """The file's pages contradict each other."""


def open_file(path: Path) -> sqlite3.Connection:
    """Opens the file, for this process alone, and brings it to the newest version.

    Args:
        path: The file; it and its folder are made if they are not there, for this user's eyes only.

    Raises:
        ConfigError: It can't be used, it is damaged, or another process uses it.
    """
    try:
        return _open(path)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(_reason(path, error)) from error


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
    for pragma in ("secure_delete = ON", "foreign_keys = ON", "temp_store = MEMORY"):
        db.execute(f"PRAGMA {pragma}")
    _check(db)
    with db:
        db.execute("BEGIN EXCLUSIVE")
        version = _pragma(db, "user_version")
        if not 0 <= version <= len(_STEPS):
            raise sqlite3.DatabaseError(f"its version is {version}, and this service knows only 1 to {len(_STEPS)}")
        for step in _STEPS[version:]:
            for statement in step.split(";")[:-1]:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(_STEPS)}")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # what a killed process has left there may be a prompt


def _check(db: sqlite3.Connection) -> None:
    """Raises if the file is damaged, as far as that can be seen in `CHECK_TIMEOUT_S`."""
    timer = threading.Timer(CHECK_TIMEOUT_S, db.interrupt)
    timer.start()
    try:
        found = _pragma(db, "quick_check(1)")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        _log.info("the file of the batches is so large that %.0f s were too few to check all of it", CHECK_TIMEOUT_S)
        return
    finally:
        timer.cancel()
        timer.join()
    if found != "ok":
        raise DamagedError(found.splitlines()[-1])  # the first names the database, which is the file


def _pragma(db: sqlite3.Connection, name: str) -> Any:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def _reason(path: Path, error: Exception) -> str:
    advice = "choose another with --batch-db, or none for no batches"
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what its kind is in detail
    if code == sqlite3.SQLITE_BUSY:
        return f"--batch-db {path} is in use by another service: {advice}"
    if isinstance(error, DamagedError) or code == sqlite3.SQLITE_CORRUPT:
        return (
            f"--batch-db {path} is damaged: {error}. It may hold batches, so it is not thrown away: move it and "
            f"{path.name}-wal away or put a copy back; or {advice}"
        )
    return f"--batch-db {path} can't be used: {error}; {advice}"
