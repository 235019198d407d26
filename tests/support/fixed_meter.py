"""A device of a fixed size, and what a step takes of it."""

from collections.abc import Callable

from service.engine.forward.flight import Launched, Work
from service.engine.startup.memory_share import DeviceMemory
from service.engine_protocol.engine_config import BLOCK_SIZE

BLOCK_BYTES = 2 * 2 * 2 * 16 * BLOCK_SIZE * 4
"""Of the tiny model: layers, keys and values, KV heads, head size, tokens, bytes of a float32."""


class FixedMeter:
    """A device of a given size, which nobody else uses."""

    def __init__(self, total_bytes: int, step_bytes: int = 0) -> None:
        self.memory = DeviceMemory(
            total_bytes=total_bytes, free_bytes=total_bytes, weights_bytes=0, step_bytes=step_bytes
        )
        self.num_launched = self.num_measured = 0

    def launch(self, work: Work) -> Launched:
        """How the engine's device is given its work."""
        self.num_launched += 1
        return Launched(work)

    def measure(self, run: Callable[[], None]) -> DeviceMemory:
        num_before = self.num_launched
        run()
        self.num_measured += self.num_launched - num_before
        return self.memory
