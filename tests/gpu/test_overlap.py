"""A step can be launched while the one ahead of it runs: nothing in a launch waits for the device."""

import contextlib
from typing import Any

import torch

from service.engine_protocol.sampling_params import SamplingParams
from tests.gpu.engines import make_engine, small_model

_ASKING: dict[str, Any] = {"temperature": 1.0, "top_k": 200, "top_p": 0.9, "min_p": 0.1, "num_logprobs": 3}
_ADJUSTED: dict[str, Any] = {"logit_bias": ((5, 1.0),), "min_tokens": 2, "repetition_penalty": 1.1}


def submit_all(engine, name):
    """Requests that sample in every way, of which some share a beginning."""
    for place, way in enumerate([{}, {"temperature": 1.0}, _ASKING, _ASKING | _ADJUSTED]):
        params = SamplingParams(20, seed=place, eos_token_ids=frozenset({2}), **way)
        engine.submit(f"{name} {place}", [11] * 40 + [20 + place] * (10 * place + 1), params)


@contextlib.contextmanager
def no_waiting():
    """Makes whatever waits for a CUDA device raise."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def run(engine, scope):
    while engine.has_work:
        with scope():
            while scheduled := engine.schedule():
                engine.launch(scheduled)
        assert not engine.retire().failed


def test_a_launch_waits_for_nothing(accelerations, device):
    engine = make_engine(small_model("llama", device), accelerations)
    submit_all(engine, "first")
    run(engine, contextlib.nullcontext)  # what is compiled at its first use may be waited for
    submit_all(engine, "again")
    run(engine, no_waiting if device == "cuda" else contextlib.nullcontext)
    assert engine.block_pool.num_free == engine.block_pool.num_blocks
