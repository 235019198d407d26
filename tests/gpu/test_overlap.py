"""A step can be launched while the one ahead of it runs: nothing in a launch waits for the device."""

from typing import Any

import pytest
import torch

from service.engine.forward.flight import Launched
from service.engine.startup.build import Backend
from service.engine_protocol.sampling_params import SamplingParams
from tests.gpu.engines import make_engine, small_model
from tests.support.engines import outputs_of

_ASKING: dict[str, Any] = {"temperature": 1.0, "top_k": 200, "top_p": 0.9, "min_p": 0.1, "num_logprobs": 3}
_ADJUSTED: dict[str, Any] = {"logit_bias": ((5, 1.0),), "min_tokens": 2, "repetition_penalty": 1.1}


def submit_all(engine, name):
    """Requests that sample in every way, of which some share a beginning."""
    for place, way in enumerate([{}, {"temperature": 1.0}, _ASKING, _ASKING | _ADJUSTED]):
        params = SamplingParams(20, seed=place, eos_token_ids=frozenset({2}), **way)
        engine.submit(f"{name} {place}", [11] * 40 + [20 + place] * (10 * place + 1), params)


class Awaited(Launched):
    """Work for whose tokens, and for nothing else, a host may wait."""

    def on_host(self):
        torch.cuda.set_sync_debug_mode("default")
        return super().on_host()


def forbid_waiting(scheduled):
    """Makes whatever waits for a CUDA device raise, until the tokens of a step are waited for."""
    torch.cuda.set_sync_debug_mode("error")


def run(engine, on_launch=None):
    while engine.has_work:
        outputs_of(engine, on_launch)


@pytest.fixture(autouse=True)
def may_wait_again(device):
    yield
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("default")


def test_a_launch_waits_for_nothing(accelerations, device):
    backend = Backend(launch_work=Awaited if device == "cuda" else Launched)
    engine = make_engine(small_model("llama", device), accelerations, backend=backend)
    submit_all(engine, "first")
    run(engine)  # what is compiled at its first use may be waited for
    submit_all(engine, "again")
    run(engine, forbid_waiting if device == "cuda" else None)
    assert engine.block_pool.num_free == engine.block_pool.num_blocks
