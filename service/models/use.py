"""Who uses a model now."""

from collections import Counter
from dataclasses import dataclass, field

from service.engine_protocol.sampling_params import Priority


@dataclass(slots=True)
class Use:
    """Who uses a model now.

    Attributes:
        waiting: How many requests of each priority wait until it is loaded.
        num_loads: How many wait for it to be loaded without a request: the service's start, operators.
        running: How many it answers.
        last_s: When the last of them ended, on the loader's clock.
    """

    waiting: Counter[Priority] = field(default_factory=Counter)
    num_loads: int = 0
    running: Counter[Priority] = field(default_factory=Counter)
    last_s: float = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nobody uses it."""
        return not (self._is_waited_for or self.running.total())

    @property
    def gives_way(self) -> bool:
        """Whether nobody uses it but requests of batches, which lose nothing when they run once more."""
        return not (self._is_waited_for or self.running[Priority.ONLINE])

    @property
    def takes_room(self) -> bool:
        """Whether somebody waits for it for whom others are unloaded: not the items of batches."""
        return bool(self.num_loads or self.waiting[Priority.ONLINE])

    @property
    def _is_waited_for(self) -> bool:
        return bool(self.num_loads or self.waiting.total())
