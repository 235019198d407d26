"""transformers' own continuous batching: as in a plain script, and tuned."""

import inspect
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedModel

from bench.engine.load import Load, Served, check_lengths

PLAIN = "as in a plain script"
TUNED = "tuned"
PEERS = (PLAIN, TUNED)

_FREE_SHARE = 0.15
"""Its scheduler admits nothing more while fewer blocks than this share are free."""
_PATIENCE_S = 600.0
_CPU_PAGE_SIZE = 16
_CUDA_PAGE_SIZE = 256


def generation_config(num_new_tokens: int) -> GenerationConfig:
    """Greedy, to the last token asked for: no token ends a completion."""
    return GenerationConfig(max_new_tokens=num_new_tokens, do_sample=False, eos_token_id=-1, pad_token_id=0)


def peer_config(
    peer: str, device: str, load: Load, max_batch_tokens: int, max_requests: int
) -> ContinuousBatchingConfig | None:
    """How the peer is set up for a load: None, which is its defaults, in a plain script.

    Tuned, its cache has blocks enough for all requests at once, and it shares none, as no two prompts begin alike. On
    CUDA all else keeps its defaults, which suit its kernels: it chooses CUDA graphs and asynchronous batching itself.

    Args:
        peer: One of `PEERS`.
        device: Where it computes.
        load: What it is to serve.
        max_batch_tokens, max_requests: The most tokens and requests of a batch on the CPU. There its attention computes
            every token of a batch against those of all requests in it, so that fewer of them can be faster.
    """
    if peer == PLAIN:
        return None
    on_cuda = device.startswith("cuda")
    page_size = _CUDA_PAGE_SIZE if on_cuda else _CPU_PAGE_SIZE
    num_blocks = sum(math.ceil(request.num_tokens / page_size) for request in load)
    # The option was called block_size until transformers 5.17.
    names = inspect.signature(ContinuousBatchingConfig).parameters
    options: dict[str, Any] = {"page_size" if "page_size" in names else "block_size": page_size}
    if not on_cuda:
        options |= {"max_batch_tokens": max_batch_tokens, "max_requests_per_batch": max_requests}
    return ContinuousBatchingConfig(
        num_blocks=math.ceil(num_blocks / (1 - _FREE_SHARE)) + 1, allow_block_sharing=False, **options
    )


@contextmanager
def running_manager(model: PreTrainedModel, config: ContinuousBatchingConfig | None) -> Iterator[Any]:
    """The peer's manager, which has answered a first request, so that nothing is left to be set up."""
    model.set_attn_implementation("sdpa")
    context: Any = model.continuous_batching_context_manager
    with context(generation_config=generation_config(1), continuous_batching_config=config) as manager:
        manager.add_request([10], request_id="first", max_new_tokens=1)
        _take_result(manager)
        yield manager


def serve_with_manager(manager: Any, load: Load) -> Served:
    """Lets the peer serve requests that another thread adds as they arrive.

    Raises:
        RuntimeError: A request failed, or got another number of tokens than it asked for.
    """
    begun_at, cpu_before_s = time.perf_counter(), time.process_time()
    arrivals = threading.Thread(target=_add_requests, args=(manager, load, begun_at), daemon=True)
    arrivals.start()
    token_ids: list[list[int]] = [[] for _ in load]
    finished_s = [0.0] * len(load)
    for _ in load:
        result = _take_result(manager)
        finished_s[int(result.request_id)] = time.perf_counter() - begun_at
        token_ids[int(result.request_id)] = result.generated_tokens
    served = Served(token_ids, finished_s, time.process_time() - cpu_before_s)
    arrivals.join()
    check_lengths(load, served)
    return served


def _add_requests(manager: Any, load: Load, begun_at: float) -> None:
    for place, request in enumerate(load):
        time.sleep(max(0.0, request.arrival_s - (time.perf_counter() - begun_at)))
        manager.add_request(request.prompt_token_ids, request_id=str(place), max_new_tokens=request.num_new_tokens)


def _take_result(manager: Any) -> Any:
    result = manager.get_result(timeout=_PATIENCE_S)
    if result is None or result.error is not None:
        raise RuntimeError(f"generate_batch failed: {result.error if result else 'it gives no result'}")
    return result


def generate_batch(
    model: PreTrainedModel, prompts: Sequence[list[int]], num_new_tokens: int, config: Any, keep: bool
) -> list[list[int]]:
    """Runs the peer over prompts that are all there; `keep` lets its manager live from call to call.

    Raises:
        RuntimeError: A request failed.
    """
    outputs: Any = model.generate_batch(  # type: ignore[operator]
        prompts,
        generation_config=generation_config(num_new_tokens),
        continuous_batching_config=config,
        persistent_manager=keep,
    )
    failed = [output.error for output in outputs.values() if output.error is not None]
    if failed or len(outputs) != len(prompts):
        raise RuntimeError(f"generate_batch failed: {failed or 'results are missing'}")
    return [output.generated_tokens for output in outputs.values()]
