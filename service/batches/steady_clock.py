"""The time as batches count it: the machine's at the start, and then without its jumps."""

import time
from collections.abc import Callable


class SteadyClock:
    """Tells the seconds since 1970. Setting the machine's clock while this runs makes nothing expire.

    Args:
        wall: The machine's clock, asked once.
        steady: A clock that nobody sets.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._begin_s = wall() - steady()

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self._begin_s + self._steady()
