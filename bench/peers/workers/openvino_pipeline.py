"""OpenVINO GenAI's continuous batching."""

import itertools
import time
from typing import Any

from bench.peers.workers.loop import Times, work


class OpenVino:
    """Args:
    options: `weights`, an exported model's folder, and `properties` of OpenVINO's CPU plugin.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        import openvino
        import openvino_genai

        self._make_tensor, self._genai = openvino.Tensor, openvino_genai
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.cache_size, scheduler.max_num_seqs = 1, 16  # GB
        scheduler.max_num_batched_tokens, scheduler.enable_prefix_caching = 512, False
        properties = {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False} | options.get("properties", {})
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(options["weights"], scheduler, "CPU", properties)
        self._request_ids = itertools.count()

    def generate(self, prompts: list[list[int]], num_new_tokens: int) -> Times:
        """Answers."""
        import numpy

        begun_at = time.perf_counter()
        times_s: Times = [[] for _ in prompts]
        handles = [
            self._pipeline.add_request(
                next(self._request_ids),
                self._make_tensor(numpy.array([prompt], dtype=numpy.int64)),
                self._config(num_new_tokens),
            )
            for prompt in prompts
        ]
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
            now_s = time.perf_counter() - begun_at
            for handle, times in zip(handles, times_s, strict=True):
                while handle.can_read():
                    times += [now_s] * sum(len(output.generated_ids) for output in handle.read().values())
        return times_s

    def _config(self, num_new_tokens: int) -> Any:
        config = self._genai.GenerationConfig()
        config.max_new_tokens, config.ignore_eos, config.do_sample = num_new_tokens, True, False
        config.stop_token_ids = set()
        return config


if __name__ == "__main__":
    work(OpenVino)
