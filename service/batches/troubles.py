"""What the log says when the disk fails the batches: a line for each kind of trouble, and what to do."""

import logging
import sqlite3
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)

PERIOD_S = 60.0
"""After how long a kind of trouble that lasts is told again."""

# By the beginnings of SQLite's names for its errors, https://www.sqlite.org/rescode.html.
_ADVICE = {
    "SQLITE_FULL": "the disk is full: make room, and they go on by themselves",
    "SQLITE_CORRUPT": "the file is damaged: stop the service, and move it and its -wal away or put a copy back",
    "SQLITE_IOERR": "the disk can't be read or written, or is full: see the system's log; they go on once it can",
    "SQLITE_READONLY": "the file can't be written: see its mode and how its disk is mounted",
}


class DiskTroubles:
    """Tells the operator of the disk's errors, each kind at most once in `PERIOD_S`.

    Args:
        count: Is called with the kind of each, as SQLite names it.
        clock: Tells the time, in seconds; one that nobody sets.
    """

    def __init__(self, count: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._told_at_s: dict[str, float] = {}
        self._num_untold: dict[str, int] = {}

    def tell(self, error: sqlite3.Error) -> None:
        """Counts an error, and says what it is unless that was said a short while ago."""
        kind = getattr(error, "sqlite_errorname", None) or type(error).__name__
        self._count(kind)
        told_at_s = self._told_at_s.get(kind)
        if told_at_s is not None and self._clock() - told_at_s < PERIOD_S:
            self._num_untold[kind] = self._num_untold.get(kind, 0) + 1
            return
        self._told_at_s[kind] = self._clock()
        more = f", {num} times more since it was told" if (num := self._num_untold.pop(kind, 0)) else ""
        advice = next((text for start, text in _ADVICE.items() if kind.startswith(start)), str(error))
        _log.error("batches can't be kept: %s (%s%s)", advice, kind, more)
