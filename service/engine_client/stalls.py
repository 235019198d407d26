"""Signs of life of an engine's process: one that has requests and gives none for long is stalled, then wedged."""

import asyncio
import logging
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)


class SignsOfLife:
    """The last sign that came, and whether it is too long ago.

    Args:
        timeout_s: After how long without a sign, with requests to run, the process counts as stalled.
        kill_s: How much longer without a sign makes it wedged, which is given up; 0 for never.
        clock: Tells the time, in seconds; one that nobody sets.

    Attributes:
        is_stalled: Whether it is.
        silence_s: For how long there was no sign, as far as this process was there to hear one.
    """

    def __init__(self, timeout_s: float, kill_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_stalled = False
        self.silence_s = 0.0
        self._timeout_s = timeout_s
        self._kill_s = kill_s
        self._clock = clock
        self._period_s = min(timeout_s, kill_s or timeout_s) / 4
        self._looked_at_s = clock()

    @property
    def is_wedged(self) -> bool:
        """Whether it is to be given up."""
        return self.is_stalled and bool(self._kill_s) and self.silence_s > self._timeout_s + self._kill_s

    def note(self) -> None:
        """Takes a sign."""
        self.begin()
        self.is_stalled = False

    def begin(self) -> None:
        """Counts from now on: the silence of a process that had nothing to do is no stall."""
        self.silence_s, self._looked_at_s = 0.0, self._clock()

    def look(self) -> None:
        """Adds what has passed since the last look, the sign or the beginning.

        A look that comes far too late adds no more than a period or two: then it was this process that stood still, and
        signs may wait to be read.
        """
        now_s = self._clock()
        self.silence_s += min(now_s - self._looked_at_s, 2 * self._period_s)
        self._looked_at_s = now_s

    async def watch(
        self, has_requests: Callable[[], bool], on_stall: Callable[[], None], on_wedge: Callable[[], None]
    ) -> None:
        """Calls `on_stall` at the beginning of each stall and `on_wedge` if it lasts; ends only by being cancelled."""
        while True:
            await asyncio.sleep(self._period_s)
            self.look()
            if not has_requests():
                self.begin()
            elif not self.is_stalled and self.silence_s > self._timeout_s:
                _log.error("the engine has given no sign of life for %.0f s", self.silence_s)
                self.is_stalled = True
                on_stall()
            elif self.is_wedged:
                _log.error("the engine has given no sign of life for %.0f s and is killed", self.silence_s)
                self.begin()
                on_wedge()
