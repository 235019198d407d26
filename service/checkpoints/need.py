"""The memory that an engine takes, known before it is loaded, and what of it there is on this machine."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from service.checkpoints.adapters import loaded_adapters_bytes
from service.checkpoints.headers import read_weights
from service.checkpoints.memory import in_gb, weights_bytes
from service.engine_protocol.engine_config import EngineConfig

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Need:
    """What a model takes on a device.

    Attributes:
        weights_bytes: An engine's weights and its adapters', as they are once they are loaded.
        kv_cache_bytes: Its KV cache, which it takes as a whole; 0 if that gets what is left, once that is known.
        num_engines: How many engines the device has of the model.
    """

    weights_bytes: int = 0
    kv_cache_bytes: int = 0
    num_engines: int = 1

    @property
    def total_bytes(self) -> int:
        """All together; what steps and the processes themselves take comes on top."""
        return self.num_engines * (self.weights_bytes + self.kv_cache_bytes)

    def __str__(self) -> str:
        weights, kv_cache = in_gb(self.weights_bytes), in_gb(self.kv_cache_bytes)
        parts = f"weights {weights}, KV cache {kv_cache if self.kv_cache_bytes else 'what is left'}"
        times = f", in each of {self.num_engines} engines" if self.num_engines > 1 else ""
        return f"{in_gb(self.total_bytes)} ({parts}{times})"


def need_of(config: EngineConfig) -> Need:
    """What an engine will take of each of its devices, from the headers of its weights.

    Raises:
        CheckpointError: The weights are no whole safetensors, or an adapter can't be used.
        OSError: They can't be read.
    """
    found = read_weights(config.checkpoint)
    weights = weights_bytes(found, config.dtype, config.quantization, len(config.devices))
    return Need(weights + loaded_adapters_bytes(config), config.kv_cache_memory_mib << 20)


def available_ram_bytes() -> int:
    """The memory that this process and its children could still take without swapping, within its control group."""
    available: int = psutil.virtual_memory().available
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        return max(0, min(available, limit - int((_CGROUP / "memory.current").read_text())))
    except (OSError, ValueError):  # no control group of version 2, or no limit
        return available


class Budget:
    """The memory of each device that engines may take together.

    Every model has its engines on all devices alike, so that the same is left on each.

    Args:
        devices: "cpu", "cuda", "cuda:1", ...
        budget_mib: How much; 0 for what is free. For CUDA only the engine knows that, and refuses by itself.

    Attributes:
        devices: As given, each once.
        is_given: Whether somebody has decided on it.
        total_bytes: How much it is; 0 if only the engines know.
    """

    def __init__(self, devices: Iterable[str], budget_mib: int) -> None:
        self.devices = tuple(dict.fromkeys(devices))
        self.is_given = bool(budget_mib)
        self._is_measured = not budget_mib and self.devices == ("cpu",)
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
