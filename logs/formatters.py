"""The forms of a record: a line of text, or of JSON."""

import datetime
import json
import logging
import re
import sqlite3
import traceback
from collections.abc import Iterator
from typing import Any, Final

from logs.clipping import MAX_CHARACTERS, clipped, without_control
from logs.line import Line

# A line about a request has some fifteen values, and few of them are long.
MAX_MESSAGE_CHARACTERS: Final = 10 * MAX_CHARACTERS

MAX_TRACEBACK_LINES: Final = 200
MAX_CAUSES: Final = 10

# What the system, Python's runtime and libraries of the machine say. All others may quote what they were given.
PLAIN_ERRORS: Final = (OSError, MemoryError, ImportError, RuntimeError, sqlite3.Error)


class ClippingFormatter(logging.Formatter):
    """Formats records of any size. Lines of a traceback are indented: none can pass for a record.

    Args:
        fmt: The line, as logging has it.
        has_texts: Whether the process has texts of clients. Then an error tells its message only if it quotes none.
    """

    def __init__(self, fmt: str, *, has_texts: bool = True) -> None:
        super().__init__(fmt)
        self._has_texts = has_texts

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, and its traceback."""
        if record.name == "asyncio":
            # Behind it stand callbacks, tasks and errors as they show themselves, with whatever they were given.
            record.msg, record.args = re.split(r"\n| in callback ", record.getMessage(), maxsplit=1)[0], ()
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The record's line."""
        return clipped(super().formatMessage(record), MAX_MESSAGE_CHARACTERS)

    def formatException(self, ei: "logging._SysExcInfoType") -> str:  # noqa: N802 - logging's own name
        """The traceback, each line of it clipped, and the middle left out where there are very many."""
        lines = [f"  {clipped(without_control(line))}" for line in self._lines(ei[1], MAX_CAUSES)]
        left_out = len(lines) - MAX_TRACEBACK_LINES
        if left_out > 0:
            half = MAX_TRACEBACK_LINES // 2
            lines[half:-half] = [f"  … and {left_out} lines more"]
        return "\n".join(lines)

    def _lines(self, error: BaseException | None, max_causes: int) -> Iterator[str]:
        if error is None or not max_causes:
            return
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        yield from self._lines(cause, max_causes - 1)
        yield "Traceback (most recent call last):"
        for entry in traceback.format_tb(error.__traceback__):
            yield from entry.splitlines()
        is_plain = not self._has_texts or isinstance(error, PLAIN_ERRORS)
        yield from f"{type(error).__qualname__}{f': {error}' if is_plain else ''}".splitlines()
        for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
            yield from self._lines(one, max_causes - 1)


class JsonFormatter(ClippingFormatter):
    """Formats records as JSON, one line each.

    Args:
        process: What kind of process it is.
        has_texts: See `ClippingFormatter`.
    """

    def __init__(self, process: str, *, has_texts: bool = True) -> None:
        super().__init__("%(message)s", has_texts=has_texts)
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, with its traceback in `traceback`."""
        line = record.msg if isinstance(record.msg, Line) else None
        text, _, lines = super().format(record).partition("\n  ")
        entry: dict[str, Any] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "message": line.event if line else text,
            **(line.values if line else {}),
        }
        if record.exc_info:
            entry["traceback"] = lines
        return json.dumps(entry, ensure_ascii=False)
