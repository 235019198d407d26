"""llama.cpp through xllamacpp: its server's own loop, called without HTTP."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from bench.peers.workers.loop import Times, work

NUM_SLOTS = 16
_NUM_TOKENS_EACH = 640


def server_params(weights: str, num_http_threads: int, port: int = 0) -> Any:
    """How llama.cpp is set up: 16 sequences at once, one thread, no prompt kept for a later request."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.n_parallel, params.n_ctx, params.kv_unified = NUM_SLOTS, NUM_SLOTS * _NUM_TOKENS_EACH, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_threads_http, params.port = num_http_threads, port
    params.cache_prompt, params.cache_ram_mib = False, 0
    params.warmup, params.verbosity = True, 0
    params.use_jinja = params.fit_params = False
    return params


class LlamaCpp:
    """A request on a thread of its own for each sequence; llama.cpp batches what is there.

    Args:
        options: `weights`, a GGUF file.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        import xllamacpp

        self._server = xllamacpp.Server(server_params(options["weights"], num_http_threads=2))
        self._threads = ThreadPoolExecutor(NUM_SLOTS)

    def generate(self, prompts: list[list[int]], num_new_tokens: int) -> Times:
        """Answers."""
        answer = partial(self._answer, num_new_tokens=num_new_tokens, begun_at=time.perf_counter())
        return list(self._threads.map(answer, prompts))

    def _answer(self, prompt: list[int], num_new_tokens: int, begun_at: float) -> list[float]:
        times_s: list[float] = []

        def take(chunk: Any) -> None:
            told = json.loads(chunk) if isinstance(chunk, str | bytes) else chunk
            if told["choices"][0]["finish_reason"] is None:
                times_s.append(time.perf_counter() - begun_at)

        request = {
            "prompt": prompt,
            "n_predict": num_new_tokens,
            "temperature": 0.0,
            "samplers": ["temperature"],
            "ignore_eos": True,
            "stream": True,
            "cache_prompt": False,
            "return_tokens": True,
        }
        self._server.handle_completions(request, take)
        # The text of a token that is half a character comes with a later one.
        return times_s + [time.perf_counter() - begun_at] * (num_new_tokens - len(times_s))


if __name__ == "__main__":
    work(LlamaCpp)
