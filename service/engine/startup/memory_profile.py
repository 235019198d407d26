"""Measures what an engine's largest step takes of a CUDA device, before the KV cache is made of what is left."""

from collections.abc import Callable
from typing import Protocol

import torch

from service.engine.forward.model_runner import ModelRunner
from service.engine.scheduling.scheduled import MAX_PROMPT_LOGITS, ScheduledSequence
from service.engine.scheduling.sequence import Sequence
from service.engine.sharding.layers import Ranks
from service.engine.startup.memory_share import DeviceMemory, kv_cache_bytes
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig, num_blocks_for
from service.engine_protocol.sampling_params import SamplingParams

MIN_BLOCKS = 4
"""With fewer blocks a KV cache is of no use."""

_GREEDY = SamplingParams(2)
_TOLD = SamplingParams(2, num_prompt_logprobs=20)
_SAMPLED = SamplingParams(2, temperature=1.0, top_p=0.9, num_logprobs=20)


class MemoryMeter(Protocol):
    """Tells how much memory there is and how much something takes."""

    def measure(self, run: Callable[[], None]) -> DeviceMemory:
        """Runs it, and tells how the device stands after it."""


class CudaMeter:
    """Reads it from CUDA's driver and torch's allocator.

    Args:
        device: "cuda", "cuda:1", ...
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)

    def measure(self, run: Callable[[], None]) -> DeviceMemory:
        """Runs it, and tells how the device stands after it."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self._device)
        weights_bytes = torch.cuda.memory_reserved(self._device)
        run()
        torch.cuda.synchronize(self._device)
        # What was reserved, not what was allocated: the allocator's gaps are taken from the device as well.
        step_bytes = torch.cuda.max_memory_reserved(self._device) - weights_bytes
        torch.cuda.empty_cache()
        free_bytes, total_bytes = torch.cuda.mem_get_info(self._device)
        return DeviceMemory(
            total_bytes=total_bytes, free_bytes=free_bytes, weights_bytes=weights_bytes, step_bytes=step_bytes
        )


class RanksMeter:
    """Measures for ranks that share a model, and so have caches of equally many blocks: the worst of each.

    Args:
        meter: Measures this rank's device.
        ranks: Who shares the model; all measure at the same time.
    """

    def __init__(self, meter: MemoryMeter, ranks: Ranks) -> None:
        self._meter, self._ranks = meter, ranks

    def measure(self, run: Callable[[], None]) -> DeviceMemory:
        """Runs it, and tells how the fullest device stands after it."""
        own, least = self._meter.measure(run), self._ranks.all_reduce_min
        return DeviceMemory(
            total_bytes=least(own.total_bytes),
            free_bytes=least(own.free_bytes),
            weights_bytes=-least(-own.weights_bytes),
            step_bytes=-least(-own.step_bytes),
        )


def blocks_that_fit(runner: ModelRunner, meter: MemoryMeter, config: EngineConfig) -> int:
    """The number of blocks that the KV cache can have.

    Args:
        runner: Has a KV cache of some blocks.
        meter: Measures its largest steps.
        config: What these are, and what the engine may take.

    Raises:
        ValueError: Not enough to be of use; the message says what to change.
    """

    def run_largest() -> None:
        for step in largest_steps(config, runner.max_num_tokens):
            runner.launch(step).tokens()
        runner.forget()

    memory = meter.measure(run_largest)
    num_bytes = kv_cache_bytes(memory, config.memory_share, config.accelerations, config.graphs_bytes)
    if num_bytes < MIN_BLOCKS * runner.block_bytes:
        raise ValueError(_refusal(memory, config))
    return num_bytes // runner.block_bytes


def largest_steps(config: EngineConfig, max_num_tokens: int) -> list[list[ScheduledSequence]]:
    """The steps that take most: one prefills the ends of prompts as long as may be, one decodes and samples all rows.

    Each sequence has block 0 in all places of its table, so a KV cache of one block is enough for them.
    """
    prefilling: list[ScheduledSequence] = []
    num_left = config.max_num_batched_tokens
    adapter = 0 if config.adapters else None
    while num_left:
        num_new = min(num_left, max_num_tokens)
        if not prefilling:  # as the scheduler does, and the logits come to the others
            num_new = min(num_new, MAX_PROMPT_LOGITS)
        prefilling.append(_scheduled(max_num_tokens, num_new, _GREEDY if prefilling else _TOLD, adapter))
        num_left -= num_new
    decoding = [_scheduled(BLOCK_SIZE, 1, _SAMPLED, adapter) for _ in range(config.max_num_seqs)]
    return [prefilling, decoding]


def _scheduled(num_tokens: int, num_new: int, params: SamplingParams, adapter: int | None) -> ScheduledSequence:
    sequence = Sequence("largest step", [0] * num_tokens, num_tokens, params, adapter=adapter)
    sequence.num_computed_tokens = num_tokens - num_new
    sequence.block_table = [0] * num_blocks_for(num_tokens)
    return ScheduledSequence(sequence, num_new)


def _refusal(memory: DeviceMemory, config: EngineConfig) -> str:
    share = config.memory_share
    sizes = {
        "the device": memory.total_bytes,
        "this engine's share": share.most_bytes(memory.total_bytes),
        "used by others": memory.others_bytes,
        "weights": memory.weights_bytes,
        "the largest step": memory.step_bytes,
    }
    told = ", ".join(f"{name} {num_bytes / 1e9:.2f} GB" for name, num_bytes in sizes.items())
    return (
        f"nothing is left of {config.device} for the KV cache ({told}): lower --max-num-batched-tokens or "
        f"--max-num-seqs, serve fewer models than {share.num_engines} beside each other, raise "
        f"--gpu-memory-utilization, or say with --kv-cache-memory-mib how much it is to be"
    )
