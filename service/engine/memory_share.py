"""How much memory of a CUDA device is left for an engine's KV cache. Only numbers; `memory_profile` measures them."""

from collections.abc import Set
from dataclasses import dataclass

from service.engine.acceleration import Acceleration

GRAPHS_BYTES = 1 << 30
"""What is kept free for CUDA graphs: an estimate that no GPU has confirmed."""

GATHERED_SHARE = 0.5
"""Without the attention kernel, decoding gathers a copy of what the running sequences have in the KV cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryShare:
    """What an engine may take of a CUDA device if its KV cache gets what is left.

    Attributes:
        utilization: The part of the device's memory that may be in use, by whomever; above 0, at most 1.
        budget_mib: What the engines of this service may take there together, in MiB; 0 for what `utilization` allows.
        num_engines: How many engines divide that; each gets as much as the others.
    """

    utilization: float = 0.9
    budget_mib: int = 0
    num_engines: int = 1

    def most_bytes(self, total_bytes: int) -> int:
        """The most that one engine may take of a device with so much memory."""
        together_bytes = int(self.utilization * total_bytes)
        if self.budget_mib:
            together_bytes = min(together_bytes, self.budget_mib << 20)
        return together_bytes // self.num_engines


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
        """What others use: other engines and programs, and what CUDA takes for each process."""
        return max(0, self.total_bytes - self.free_bytes - self.weights_bytes)


def kv_cache_bytes(memory: DeviceMemory, share: MemoryShare, accelerations: Set[Acceleration]) -> int:
    """How much the KV cache may take; negative if there is less than weights and steps need."""
    left_to_all = int(share.utilization * memory.total_bytes) - memory.others_bytes
    most_bytes = min(share.most_bytes(memory.total_bytes), left_to_all)
    left = most_bytes - memory.weights_bytes - memory.step_bytes
    if Acceleration.GRAPHS in accelerations:
        left -= GRAPHS_BYTES
    return left if Acceleration.ATTENTION in accelerations else int(left * GATHERED_SHARE)
