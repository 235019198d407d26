"""One line for a kind of failure: what fails over and over must not fill the disk."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PERIOD_S: Final = 10.0

# Kinds that are remembered; one that is forgotten is told once more.
MAX_KINDS: Final = 256

MAX_KIND_CHARACTERS: Final = 80


@dataclass(slots=True)
class _Told:
    at: float
    num_left_out: int = 0


class OneOfAKind(logging.Filter):
    """Lets one warning or error of a kind through in `PERIOD_S`, and has the next one tell how many were left out.

    Of one kind are records of one line of code with the same text, values and further lines aside, and the same kind of
    exception. What is less severe passes: a request has one line each.

    Args:
        clock: Tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told: OrderedDict[tuple[object, ...], _Told] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is to be written."""
        if record.levelno < logging.WARNING:
            return True
        kind, now = _kind_of(record), self._clock()
        told = self._told.get(kind)
        if told is not None and now - told.at < PERIOD_S:
            told.num_left_out += 1
            return False
        if told is not None and told.num_left_out:
            record.msg = f"{record.getMessage()} (and {told.num_left_out} more like it since the last line)"
            record.args = ()
        self._told[kind] = _Told(now)
        self._told.move_to_end(kind)
        if len(self._told) > MAX_KINDS:
            self._told.popitem(last=False)
        return True


def _kind_of(record: logging.LogRecord) -> tuple[object, ...]:
    text = str(record.msg).partition("\n")[0][:MAX_KIND_CHARACTERS]
    return record.pathname, record.lineno, text, record.exc_info[0] if record.exc_info else None
