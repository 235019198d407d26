"""Builds an engine that may serve, in one order: each step takes what the one before it returns."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from transformers import PreTrainedModel

from service.engine.attention.packed_prefill import PrefillAttention
from service.engine.attention.paged_decode import DecodeAttention
from service.engine.engine import Engine
from service.engine.errors import UnsupportedModelError
from service.engine.forward.decode_graphs import Capture, capture_for
from service.engine.forward.flight import Launched, Pending, Work
from service.engine.forward.kv_cache import KVShape, bytes_per_block
from service.engine.forward.model_runner import ModelRunner
from service.engine.lora.attach import attach_adapters
from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.scheduler import Scheduler
from service.engine.sharding.layers import Ranks
from service.engine.startup.drafting import drafter_for, speculation_for
from service.engine.startup.memory_profile import MIN_BLOCKS, MemoryMeter, blocks_that_fit
from service.engine.startup.self_check import CheckedRunner, SelfCheck
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig, EngineInfo

_log = logging.getLogger(__name__)

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The parts of an engine that work with its device.

    Attributes:
        decode_attention: Attends for decoding sequences with `Acceleration.ATTENTION`; None for the device's own.
        prefill_attention: Attends for prefilling ones with `Acceleration.VARLEN` or `FLEX`; None for the library's own.
        launch_work: Gives the device a step's work.
        capture: Records steps with `Acceleration.GRAPHS`; None for the device's own.
        meter: Measures the number of blocks that fit; None if the KV cache has a size of its own.
        ranks: Who shares the model; None if nobody does.
    """

    decode_attention: DecodeAttention | None = None
    prefill_attention: PrefillAttention | None = None
    launch_work: Callable[[Work], Pending] = Launched
    capture: Capture | None = None
    meter: MemoryMeter | None = None
    ranks: Ranks | None = None


_DEFAULT = Backend()


@dataclass(frozen=True, slots=True)
class StartedRunner:
    """A runner that may serve.

    Attributes:
        runner: The runner.
        info: The limits of its engine.
        tolerance: How far its logits may be from those of another way to compute them, as a relative error.
    """

    runner: ModelRunner
    info: EngineInfo
    tolerance: float


def build_engine(
    model: PreTrainedModel, config: EngineConfig, num_blocks: int | None = None, backend: Backend = _DEFAULT
) -> Engine:
    """Starts a runner and makes its engine; see `start_runner`."""
    return make_engine(start_runner(model, config, num_blocks, backend), config)


def start_runner(
    model: PreTrainedModel, config: EngineConfig, num_blocks: int | None = None, backend: Backend = _DEFAULT
) -> StartedRunner:
    """Makes a model's runner, gives it its KV cache, compares it with the model's class, and captures its graphs.

    Args:
        model: The loaded model.
        config: The bounds; the checkpoint it names is not read again.
        num_blocks: The KV cache's number of blocks; None for as many as the meter measures, or without one as fit
            `config.kv_cache_memory_mib`.
        backend: The parts that work with the device.

    Raises:
        AccelerationError: A way to be faster does not work with this model, or on this device.
        ValueError: The KV cache would hold next to nothing.
        UnsupportedModelError: The engine would not compute what the model's class computes.
        CheckpointError: An adapter is for another model, or can't be used.
    """
    check = SelfCheck(model)
    sized = _sized_runner(model, check.kv_shapes, config, num_blocks, backend)
    checked = compare(check, sized)
    runner = _with_graphs(checked, model, config, backend.capture)
    return StartedRunner(runner, _info(model, runner), check.tolerance)


def make_engine(started: StartedRunner, config: EngineConfig) -> Engine:
    """The engine of a runner that has been started with the same bounds."""
    runner, speculation = started.runner, speculation_for(started.runner, config)
    info = replace(started.info, speculation=speculation)
    bounds = config.max_num_seqs, config.max_num_batched_tokens
    scheduler = Scheduler(BlockPool(runner.num_blocks), *bounds, runner.rope_switch, drafter_for(runner, speculation))
    max_num_tokens = min(runner.max_num_tokens, info.num_kv_tokens)
    num_flights = 2 if Acceleration.OVERLAP in config.accelerations else 1
    return Engine(runner, scheduler, info, max_num_tokens, num_flights, tuple(it.name for it in config.adapters))


def compare(check: SelfCheck, runner: ModelRunner) -> CheckedRunner:
    """Compares a runner with its model's class, if need be without `NativeDecoder`; raises as the check does."""
    try:
        return check.compare(runner)
    except UnsupportedModelError as error:
        if not runner.is_native:
            raise
        _log.warning("steps run without compiled code of our own for all layers: %s", error)
    runner.leave_native()
    return check.compare(runner)


def _sized_runner(
    model: PreTrainedModel, shapes: list[KVShape], config: EngineConfig, num_blocks: int | None, backend: Backend
) -> ModelRunner:
    """A runner whose KV cache has the size that it keeps."""
    meter = backend.meter if num_blocks is None else None
    longest = model.config.get_text_config().max_position_embeddings
    if num_blocks is None:
        num_blocks = config.kv_cache_memory_mib * _MIB // bytes_per_block(shapes, model.dtype)
    runner = ModelRunner(
        model,
        shapes,
        MIN_BLOCKS if meter else num_blocks,
        config.accelerations,
        backend.decode_attention,
        backend.launch_work,
        min(longest, config.context_window or longest),
        attach_adapters(model, config, backend.ranks),
        backend.prefill_attention,
    )
    if meter is not None:
        runner.resize_kv_cache(blocks_that_fit(runner, meter, config))
    if runner.num_blocks < MIN_BLOCKS:
        raise ValueError(
            f"a KV cache of {config.kv_cache_memory_mib} MiB holds {num_blocks * BLOCK_SIZE} tokens of this model, "
            f"fewer than {MIN_BLOCKS * BLOCK_SIZE}: give it more memory"
        )
    return runner


def _with_graphs(
    runner: CheckedRunner, model: PreTrainedModel, config: EngineConfig, capture: Capture | None
) -> ModelRunner:
    """The runner with its graphs, if it uses them; they keep the windows, which the check changes and sets back."""
    if Acceleration.GRAPHS in config.accelerations:
        runner.capture_graphs(capture or capture_for(model.device), config.max_num_seqs)
    return runner


def _info(model: PreTrainedModel, runner: ModelRunner) -> EngineInfo:
    text_config = model.config.get_text_config()
    return EngineInfo(
        vocab_size=text_config.vocab_size,
        max_position_embeddings=text_config.max_position_embeddings,
        num_kv_tokens=runner.num_blocks * BLOCK_SIZE,
        kv_cache_bytes=runner.num_blocks * runner.block_bytes,
        device=str(model.device),
        dtype=str(model.dtype).removeprefix("torch."),
    )
