"""The memory of a CUDA device that is left for an engine's KV cache. Only numbers; `memory_profile` measures them."""

from collections.abc import Set
from dataclasses import dataclass

from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import MemoryShare

GRAPHS_BYTES = 1 << 30
"""Memory that is kept free for CUDA graphs where no trial has measured them: an estimate that no GPU has confirmed."""

GATHERED_SHARE = 0.5
"""Without the attention kernel, decoding gathers a copy of what the running sequences have in the KV cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMemory:
    """A device as an engine finds it that has loaded its weights and tried its largest step.

    Attributes:
        total_bytes: What the device has.
        free_bytes: What nobody uses, now that the step is over.
        weights_bytes: What this engine has taken so far.
        step_bytes: What the step took beside that.
    """

    total_bytes: int
    free_bytes: int
    weights_bytes: int
    step_bytes: int

    @property
    def others_bytes(self) -> int:
        """The memory of others: of other engines and programs, and what CUDA takes for each process."""
        return max(0, self.total_bytes - self.free_bytes - self.weights_bytes)


def kv_cache_bytes(
    memory: DeviceMemory, share: MemoryShare, accelerations: Set[Acceleration], graphs_bytes: int = 0
) -> int:
    """The bytes that the KV cache may take; negative if there is less than weights and steps need.

    Args:
        memory: The device's.
        share: What the engine may take of it.
        accelerations: The ways to be faster that are used.
        graphs_bytes: What CUDA graphs are to have; 0 for an estimate.
    """
    left_to_all = int(share.utilization * memory.total_bytes) - memory.others_bytes
    most_bytes = min(share.most_bytes(memory.total_bytes), left_to_all)
    left = most_bytes - memory.weights_bytes - memory.step_bytes
    if Acceleration.GRAPHS in accelerations:
        left -= graphs_bytes or GRAPHS_BYTES
    return left if Acceleration.ATTENTION in accelerations else int(left * GATHERED_SHARE)
