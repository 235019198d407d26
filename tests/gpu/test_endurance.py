"""Nothing is left of requests that ended, nor of those that were aborted."""

import torch

from service.engine_protocol.sampling_params import SamplingParams
from tests.gpu.engines import make_engine, small_model

_WAVE = 50
_MAX_GROWTH_BYTES = 1 << 20


def allocated_bytes(device: str) -> int:
    return torch.cuda.memory_allocated() if device == "cuda" else 0


def run_wave(engine, number):
    for place in range(_WAVE):
        prompt = [10 + (number + place) % 300] * (1 + place % 30)
        engine.submit(f"{number} {place}", prompt, SamplingParams(1 + place % 3))
    while engine.has_work:
        engine.step()


def test_10_000_short_requests_leave_no_memory_behind(accelerations, device):
    num_waves = 10_000 // _WAVE if device == "cuda" else 4
    engine = make_engine(small_model("llama", device), accelerations)
    run_wave(engine, 0)
    before = allocated_bytes(device)
    for number in range(1, num_waves):
        run_wave(engine, number)
    assert allocated_bytes(device) - before < _MAX_GROWTH_BYTES
    assert engine.block_pool.num_free == engine.block_pool.num_blocks


def test_an_abort_frees_blocks_within_a_step(accelerations, device):
    engine = make_engine(small_model("llama", device), accelerations)
    for name in ("a", "b"):
        engine.submit(name, [11] * 100, SamplingParams(200))
    for _ in range(10):
        engine.step()
    assert engine.block_pool.num_free < engine.block_pool.num_blocks
    for name in ("a", "b"):
        engine.abort(name)
    engine.step()
    assert engine.block_pool.num_free == engine.block_pool.num_blocks
