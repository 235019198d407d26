"""Loads an engine in its process: looks for room, loads the weights, tells how far it is."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from service.checkpoints.memory import in_gb
from service.checkpoints.need import need_of
from service.engine.device import has_own_memory, use_device
from service.engine.engine import Engine
from service.engine.linears.codes import rows_rounded_to_int8
from service.engine.process.activations import tried_activations
from service.engine.process.kernels_told import tried_kernels
from service.engine.process.quick_imports import loaded
from service.engine.progress import Progress, progress_told
from service.engine.sharding.layers import Ranks
from service.engine.startup.build import Backend, StartedRunner, make_engine, start_runner
from service.engine.startup.memory_profile import CudaMeter, MemoryMeter, RanksMeter
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import Loading

_PERIOD_S = 1.0
_LEAST_SHARE = 0.05


class NoRoomError(Exception):
    """The device has less memory free than the engine would take.

    Attributes:
        free_bytes: How much it has.
    """

    def __init__(self, message: str, free_bytes: int) -> None:
        super().__init__(message)
        self.free_bytes = free_bytes


def load_engine(config: EngineConfig, tell: Callable[[Loading], None]) -> Engine:
    """Loads the checkpoint that a config names; see `load_runner`."""
    return make_engine(load_runner(config, tell), config)


def load_runner(config: EngineConfig, tell: Callable[[Loading], None], ranks: Ranks | None = None) -> StartedRunner:
    """Loads the checkpoint that a config names, or a rank's shard of it.

    Args:
        config: What to load, where to.
        tell: Is told how far it is, not more often than a person can read.
        ranks: Who shares the model, and loads its own shard at the same time; None if nobody does.

    Raises:
        NoDeviceError: The device is not there.
        NoRoomError: It does not fit on the device.
        Exception: Whatever torch, transformers and safetensors raise for a checkpoint that they can't load.
    """
    use_device(config.device)
    check_room(config)
    progress = throttled(tell)
    with progress_told(progress), rows_rounded_to_int8(config.activation_dtype == "int8"):
        what = config.checkpoint, config.device, config.dtype, config.quantization, ranks, config.accelerations
        model = loaded(lambda: load_model(*what))
    num_bytes = sum(parameter.nbytes for parameter in model.parameters())
    progress("checking", num_bytes, num_bytes)
    tried = *tried_activations(model, config), *tried_kernels(model)
    with progress_told(throttled(tell, is_bytes=False)):
        started = start_runner(model, config, backend=Backend(meter=_meter(config, ranks), ranks=ranks))
    return replace(started, info=replace(started.info, tried=tried))


def _meter(config: EngineConfig, ranks: Ranks | None) -> MemoryMeter | None:
    """The meter of how large the KV cache can be; None if that is known."""
    if not has_own_memory(config.device) or config.kv_cache_memory_mib:
        return None
    meter = CudaMeter(config.device)
    return meter if ranks is None else RanksMeter(meter, ranks)


def check_room(config: EngineConfig, measure: Callable[[str], tuple[int, int]] = torch.cuda.mem_get_info) -> None:
    """Refuses a CUDA device with too little memory free, before anything is read. Main memory is the edge's to count.

    Args:
        config: What is to be loaded, where to.
        measure: Tells a device's free bytes and all it has.

    Raises:
        NoRoomError: It has too little.
    """
    if not has_own_memory(config.device):
        return
    need, (free_bytes, _) = need_of(config), measure(config.device)
    if need.total_bytes > free_bytes:
        raise NoRoomError(f"it needs {need}, and {config.device} has {in_gb(free_bytes)} free", free_bytes)


def throttled(
    tell: Callable[[Loading], None], clock: Callable[[], float] = time.monotonic, is_bytes: bool = True
) -> Progress:
    """Tells of progress at most once in a second, and only of a twentieth more."""
    next_at_s = clock() + _PERIOD_S
    told: tuple[str, int] = ("", 0)

    def report(what: str, done: int, total: int) -> None:
        nonlocal next_at_s, told
        grown = done - told[1] if what == told[0] else done
        if clock() >= next_at_s and grown >= _LEAST_SHARE * total:
            next_at_s, told = clock() + _PERIOD_S, (what, done)
            tell(Loading(what, done, total, is_bytes))

    return report
