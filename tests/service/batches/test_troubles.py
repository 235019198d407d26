"""What the log says of a disk that fails, and how often."""

import logging
import sqlite3

import pytest

from service.batches.troubles import PERIOD_S, DiskTroubles


class Clock:
    """A clock that a test turns."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def sqlite_error(make):
    """The error that SQLite itself raises."""
    with pytest.raises(sqlite3.Error) as caught:
        make(sqlite3.connect(":memory:"))
    return caught.value


def fill(db):
    """Needs more pages than there may be."""
    db.execute("PRAGMA max_page_count = 2")
    db.execute("CREATE TABLE one (text)")
    db.execute("INSERT INTO one VALUES (zeroblob(100000))")


def test_a_kind_is_told_once_in_a_while_with_how_often_it_came(caplog):
    kinds: list[str] = []
    clock = Clock()
    troubles = DiskTroubles(kinds.append, clock)
    full = sqlite_error(fill)
    for _ in range(655):
        troubles.tell(full)
    clock.now_s += PERIOD_S
    troubles.tell(full)
    first, second = caplog.messages
    assert first == "batches can't be kept: the disk is full: make room, and they go on by themselves (SQLITE_FULL)"
    assert second.endswith("(SQLITE_FULL, 654 times more since it was told)")
    assert kinds == ["SQLITE_FULL"] * 656
    assert not any(record.exc_info for record in caplog.records)


def test_another_kind_is_told_at_once(caplog):
    troubles = DiskTroubles(lambda kind: None)
    troubles.tell(sqlite_error(fill))
    troubles.tell(sqlite3.OperationalError("of no kind"))
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "of no kind (OperationalError)" in caplog.messages[1]
