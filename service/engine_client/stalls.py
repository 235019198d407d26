"""Signs of life of an engine's process: one that has requests to run and gives none for long counts as stalled."""

import asyncio
import logging
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)


class SignsOfLife:
    """The last sign that came, and whether it is too long ago.

    Args:
        timeout_s: After how long without a sign, with requests to run, the process counts as stalled.

    Attributes:
        is_stalled: Whether it does.
    """

    def __init__(self, timeout_s: float) -> None:
        self.is_stalled = False
        self._timeout_s = timeout_s
        self._last_s = time.monotonic()

    def note(self) -> None:
        """Takes a sign."""
        self._last_s = time.monotonic()
        self.is_stalled = False

    def begin(self) -> None:
        """Counts from now on: the silence of a process that had nothing to do is no stall."""
        self._last_s = time.monotonic()

    async def watch(self, has_requests: Callable[[], bool], on_stall: Callable[[], None]) -> None:
        """Calls `on_stall` at the beginning of each stall; ends only by being cancelled."""
        while True:
            await asyncio.sleep(self._timeout_s / 4)
            silence_s = time.monotonic() - self._last_s
            if has_requests() and not self.is_stalled and silence_s > self._timeout_s:
                _log.error("the engine has given no sign of life for %.0f s", silence_s)
                self.is_stalled = True
                on_stall()
