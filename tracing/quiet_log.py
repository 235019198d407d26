"""What OpenTelemetry logs: a line of each kind, not one for each export that a collector does not take."""

import logging
import time
from collections.abc import Callable
from typing import Final

AGAIN_AFTER_S: Final = 600.0

_MAX_KINDS: Final = 100
_MAX_CHARACTERS: Final = 300

_log = logging.getLogger("tracing")


class OneLineOfAKind(logging.Handler):
    """Passes records on, without tracebacks, the first of each kind in ten minutes.

    Args:
        clock: Tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._clock = clock
        self._written_at: dict[tuple[str, str], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record, or drops it."""
        kind, now = (record.name, str(record.msg)), self._clock()
        if kind in self._written_at:
            if now < self._written_at[kind] + AGAIN_AFTER_S:
                return
        elif len(self._written_at) >= _MAX_KINDS:
            return
        self._written_at[kind] = now
        _log.log(record.levelno, "traces: %s", record.getMessage()[:_MAX_CHARACTERS])


def quieten() -> None:
    """Has all that OpenTelemetry logs pass the one handler."""
    logger = logging.getLogger("opentelemetry")
    if not any(isinstance(handler, OneLineOfAKind) for handler in logger.handlers):
        logger.addHandler(OneLineOfAKind())
    logger.propagate = False
