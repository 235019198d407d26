"""Deaths of an engine's process, and what follows from them."""

import time
from collections import deque

_MAX_DEATHS = 5
_WINDOW_S = 60.0
_FIRST_PAUSE_S = 0.1


class Deaths:
    """The last deaths of one engine's processes."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=_MAX_DEATHS)

    @property
    def num_recent(self) -> int:
        """The number of them within a minute."""
        now_s = time.monotonic()
        return sum(now_s - death_s < _WINDOW_S for death_s in self._times_s)

    @property
    def are_too_many(self) -> bool:
        """Tells if the process is not to be started again."""
        return self.num_recent >= _MAX_DEATHS

    @property
    def pause_s(self) -> float:
        """The pause before the next start: none after the first death, then longer and longer."""
        num_recent = self.num_recent
        return _FIRST_PAUSE_S * 2**num_recent if num_recent > 1 else 0.0

    def record(self) -> None:
        """Counts one."""
        self._times_s.append(time.monotonic())

    def clear(self) -> None:
        """Forgets all, because somebody starts the engine anew."""
        self._times_s.clear()
