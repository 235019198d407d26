"""How late the event loop is: everything that it serves waits for as long."""

import asyncio
from collections.abc import Callable
from typing import Final

LAG_PERIOD_S: Final = 0.1
LAG_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class EventLoopLag:
    """Looks how late the running event loop is, until it is told to stop.

    Args:
        observe: Gets it, in seconds.
    """

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._schedule()

    def stop(self) -> None:
        """Looks no more."""
        self._timer.cancel()

    def _schedule(self) -> None:
        self._timer = self._loop.call_later(LAG_PERIOD_S, self._look)

    def _look(self) -> None:
        self._observe(max(0.0, self._loop.time() - self._timer.when()))
        self._schedule()
