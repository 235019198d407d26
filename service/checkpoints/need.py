"""The memory that an engine takes, known before it is loaded, and what of it there is on this machine."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import psutil

from service.checkpoints.memory import in_gb, read_weights, weights_bytes
from service.engine.messages import EngineConfig

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Need:
    """What an engine takes on its device.

    Attributes:
        weights_bytes: Its weights, as they are once they are loaded.
        kv_cache_bytes: Its KV cache, which it takes as a whole.
    """

    weights_bytes: int = 0
    kv_cache_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Both together; what a step and the process itself take comes on top."""
        return self.weights_bytes + self.kv_cache_bytes

    def __str__(self) -> str:
        weights, kv_cache = in_gb(self.weights_bytes), in_gb(self.kv_cache_bytes)
        return f"{in_gb(self.total_bytes)} (weights {weights}, KV cache {kv_cache})"


def need_of(config: EngineConfig) -> Need:
    """What an engine will take of each of its devices, from the headers of its weights.

    Raises:
        CheckpointError: The weights are no whole safetensors.
        OSError: They can't be read.
    """
    found = read_weights(config.checkpoint)
    weights = weights_bytes(found, config.dtype, config.quantization, config.num_ranks)
    return Need(weights, config.kv_cache_memory_mib << 20)


def available_ram_bytes() -> int:
    """The memory that this process and its children could still take without swapping, within its control group."""
    available: int = psutil.virtual_memory().available
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        return max(0, min(available, limit - int((_CGROUP / "memory.current").read_text())))
    except (OSError, ValueError):  # no control group of version 2, or no limit
        return available


class Budget:
    """The memory of one device that engines may take together.

    Args:
        device: "cpu", "cuda", "cuda:1", ...
        budget_mib: How much; 0 for what is free. For CUDA only the engine knows that, and refuses by itself.

    Attributes:
        device: As given.
        is_given: Whether somebody has decided on it.
        total_bytes: How much it is; 0 if only the engines know.
    """

    def __init__(self, device: str, budget_mib: int) -> None:
        self.device = device
        self.is_given = bool(budget_mib)
        self._is_measured = not budget_mib and device == "cpu"
        self.total_bytes = available_ram_bytes() if self._is_measured else budget_mib << 20

    def free_bytes(self, loading_bytes: int, loaded_bytes: int) -> int | None:
        """What is left for one more engine; None if this process can't know.

        Args:
            loading_bytes: What engines take that are being loaded.
            loaded_bytes: What those take that have been.
        """
        if not self.total_bytes:
            return None
        left = self.total_bytes - loading_bytes - loaded_bytes
        # Weights that are mapped count as available to the system, and others may have taken memory since the start.
        return min(left, available_ram_bytes() - loading_bytes) if self._is_measured else left


async def read_need(config: EngineConfig) -> Need:
    """The same as `need_of`, which may wait for the disk, beside the event loop."""
    return await asyncio.to_thread(need_of, config)
