"""When models are loaded and unloaded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPolicy:
    """What the command line says of it, which tells about each.

    Attributes:
        on_use: Whether a request loads a model that is not, and one that is idle gives it its room.
        wait_s: How long a request waits for that.
        unload_idle_s: After how long without a request a model is unloaded; 0 for never.
        max_waiting: How many requests may wait for one model to be loaded.
    """

    on_use: bool = False
    wait_s: float = 60.0
    unload_idle_s: float = 0.0
    max_waiting: int = 256
