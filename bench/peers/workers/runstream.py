"""This engine, as its own process loads it."""

import itertools
import time
from pathlib import Path
from typing import Any

from bench.peers.workers.loop import Times, work

_KV_CACHE_MIB = 128
"""Room for any case in float32, and less than a round writes, so that after one round all of it has been written."""


class Runstream:
    """Steps in this thread, without pipes.

    Args:
        options: `weights`, the checkpoint, `dtype` and `quantization` as the service takes them, and `settings`, what
            else of an `EngineConfig` is set.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        import torch
        from transformers.utils import logging as transformers_logging

        from service.engine.linears.ways import products_chosen
        from service.engine.process.loading import load_engine
        from service.engine.trials.choose import choices_for
        from service.engine_protocol.engine_config import EngineConfig

        torch.set_num_threads(1)
        transformers_logging.disable_progress_bar()
        config = EngineConfig(
            Path(options["weights"]),
            dtype=options["dtype"],
            quantization=options.get("quantization", ""),
            kv_cache_memory_mib=_KV_CACHE_MIB,
            max_num_seqs=16,
            num_threads=1,
            has_trials=True,
            **options.get("settings", {}),
        )
        with products_chosen(choices_for(config, num_threads=1).products):
            self._engine = load_engine(config, lambda loading: None)
        self._salts = itertools.count()

    def generate(self, prompts: list[list[int]], num_new_tokens: int) -> Times:
        """Answers, with nothing of an earlier request in the prefix cache."""
        from service.engine_protocol.sampling_params import SamplingParams

        salt, begun_at = str(next(self._salts)), time.perf_counter()
        times_s: Times = [[] for _ in prompts]
        for place, prompt in enumerate(prompts):
            self._engine.submit(str(place), prompt, SamplingParams(num_new_tokens), cache_salt=salt)
        while self._engine.has_work:
            result = self._engine.step()
            if result.failed:
                raise RuntimeError(f"requests failed: {result.failed}")
            for output in result.outputs:
                times_s[int(output.id)].append(time.perf_counter() - begun_at)
        return times_s


if __name__ == "__main__":
    work(Runstream)
