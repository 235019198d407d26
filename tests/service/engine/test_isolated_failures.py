"""What goes wrong in one request stays in it: the others get the tokens that they would get alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from service.engine.sampling.sampled import NO_PROBABILITIES, NOTHING_LEFT
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.messages import ENGINE_FAILED, Failure, FailureCause, Submit
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import save_tiny_model
from tests.support.engines import finish, make_engine, outputs_of, tokens_of
from tests.support.hooked_engine import (
    fail_on,
    failures,
    make_hooked_engine,
    raise_as_cuda_does,
    run_all,
    run_out_above,
)
from tests.support.worker_desk import Desk

POISON = 300
"""A token whose embedding is NaN in the poisoned checkpoint."""

Reference = Callable[..., list[int]]

however_it_decodes = pytest.mark.parametrize("accelerations", [frozenset(), frozenset({Acceleration.ATTENTION})])


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny llama with NaN for one token; equal seeds make equal weights."""
    folder = save_tiny_model(tmp_path_factory.mktemp("poisoned"))
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][POISON] = torch.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_blocks_of_a_request_with_nan_logits_are_found_by_nobody(poisoned: Path) -> None:
    engine = make_engine(poisoned, max_num_seqs=4, max_num_batched_tokens=16)
    prompt = [5] * 20 + [POISON] + [7] * 30
    engine.submit("it", prompt, SamplingParams(20))
    assert failures(run_all(engine)) == {"it": NO_PROBABILITIES}
    assert engine.block_pool.match(prompt, "") == []
    engine.submit("other", [5] * 51, SamplingParams(1))
    (output,) = finish(engine)
    assert output.num_cached_tokens == 0


def test_nan_logits_fail_their_request_alone(poisoned: Path, reference: Reference) -> None:
    engine = make_engine(poisoned)
    engine.submit("before", [5, 6, 7], SamplingParams(20))
    engine.submit("poisoned", [5, POISON, 7], SamplingParams(20))
    engine.submit("after", [5] * 40, SamplingParams(20, num_logprobs=0))
    result = run_all(engine)
    assert failures(result) == {"poisoned": NO_PROBABILITIES}
    assert tokens_of(result.outputs, "before") == reference("llama", [5, 6, 7], 20)
    assert tokens_of(result.outputs, "after") == reference("llama", [5] * 40, 20)


@however_it_decodes
def test_what_nan_left_in_blocks_reaches_no_later_request(
    poisoned: Path, reference: Reference, accelerations: frozenset[Acceleration]
) -> None:
    bounds: dict[str, Any] = {"num_blocks": 16, "max_num_seqs": 4, "max_num_batched_tokens": 240}
    engine = make_engine(poisoned, **bounds, accelerations=accelerations)
    engine.submit("gone", [POISON] * 250, SamplingParams(5))
    engine.step()
    engine.abort("gone")  # in the midst of its prefill, before anyone could see its logits
    prompts = {"shorter": [8] * 20, "longer": [9] * 40}
    for name, prompt in prompts.items():
        engine.submit(name, prompt, SamplingParams(40))
    outputs = finish(engine)
    for name, prompt in prompts.items():
        assert tokens_of(outputs, name) == reference("llama", prompt, 40)


@however_it_decodes
def test_nan_in_a_living_requests_blocks_reaches_no_neighbour(
    poisoned: Path, reference: Reference, accelerations: frozenset[Acceleration]
) -> None:
    engine = make_engine(poisoned, max_num_seqs=4, max_num_batched_tokens=8, accelerations=accelerations)
    engine.submit("first", [5], SamplingParams(20))
    engine.step()
    prompts = {"short": [5] * 20, "long": [9] * 40}
    for name, prompt in prompts.items():
        engine.submit(name, prompt, SamplingParams(40))
    outputs = [output for _ in range(10) for output in outputs_of(engine)]
    engine.abort("first")  # so that the next one's first block is the pool's first
    engine.submit("poisoned", [POISON] * 400, SamplingParams(20))
    result = run_all(engine)
    assert failures(result) == {"poisoned": NO_PROBABILITIES}
    for name, prompt in prompts.items():
        assert tokens_of(outputs + result.outputs, name) == reference("llama", prompt, 40)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_exception_in_one_requests_sampling_fails_it_alone(
    checkpoint: Callable[[str], Path], reference: Reference, temperature: float
) -> None:
    engine = make_engine(checkpoint("llama"))
    engine.submit("good", [5, 6, 7], SamplingParams(20))
    engine.submit("bad", [5, 6, 7], SamplingParams(20, temperature=1.0, seed=1 << 80))  # no int64
    engine.submit("other", [8] * 20, SamplingParams(20, temperature=temperature))
    result = run_all(engine)
    assert failures(result).keys() == {"bad"}
    assert "could not choose the next token" in failures(result)["bad"]
    assert tokens_of(result.outputs, "good") == reference("llama", [5, 6, 7], 20)
    assert len(tokens_of(result.outputs, "other")) == 20


def test_a_request_that_excludes_every_token_fails_alone(checkpoint: Callable[[str], Path]) -> None:
    engine = make_engine(checkpoint("llama"))
    everything = frozenset(range(320))
    engine.submit("impossible", [5], SamplingParams(20, eos_token_ids=everything, min_tokens=1))
    engine.submit("good", [5], SamplingParams(3))
    result = run_all(engine)
    assert result.failed == [Failure("impossible", NOTHING_LEFT, FailureCause.REQUEST)]
    assert len(tokens_of(result.outputs, "good")) == 3


def allocate_too_much() -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


@pytest.mark.parametrize("run_out", [allocate_too_much, raise_as_cuda_does])
def test_out_of_memory_fails_the_newest_and_says_what_to_lower(
    checkpoint: Callable[[str], Path], reference: Reference, run_out: Callable[[], None]
) -> None:
    engine = make_hooked_engine(checkpoint("llama"), run_out_above(50, run_out))
    prompts = {"oldest": [5] * 20, "older": [6] * 21, "newest": [7] * 22}
    for name, prompt in prompts.items():
        engine.submit(name, prompt, SamplingParams(20))
    result = run_all(engine)
    assert failures(result).keys() == {"newest"}
    assert "--max-num-batched-tokens" in failures(result)["newest"]
    assert "--kv-cache-memory-mib" in failures(result)["newest"]
    for name in ("oldest", "older"):
        assert tokens_of(result.outputs, name) == reference("llama", prompts[name], 20)


def test_a_request_that_no_memory_suffices_for_leaves_the_engine_running(checkpoint: Callable[[str], Path]) -> None:
    engine = make_hooked_engine(checkpoint("llama"), run_out_above(50, allocate_too_much))
    engine.submit("too large", [5] * 60, SamplingParams(20))
    assert failures(run_all(engine)).keys() == {"too large"}
    engine.submit("small", [5], SamplingParams(3))
    assert len(run_all(engine).outputs) == 3


def test_an_exception_in_a_step_fails_its_sequences_and_no_others(
    checkpoint: Callable[[str], Path], reference: Reference
) -> None:
    desk = Desk(make_hooked_engine(checkpoint("llama"), fail_on(99, ValueError("a wrong shape")), max_num_seqs=2))
    prompts = {"beside": [5, 6, 7], "broken": [99], "waiting": [8] * 20}
    _, result = desk.turn(*(Submit(name, prompt, SamplingParams(20)) for name, prompt in prompts.items()))
    assert failures(result) == {"beside": ENGINE_FAILED, "broken": ENGINE_FAILED}
    outputs = []
    while desk.engine.has_work:
        outputs += desk.turn()[-1].outputs
    assert tokens_of(outputs, "waiting") == reference("llama", prompts["waiting"], 20)
    assert desk.engine.block_pool.num_free == desk.engine.block_pool.num_blocks


def test_a_device_that_is_lost_ends_the_process(checkpoint: Callable[[str], Path]) -> None:
    error = torch.AcceleratorError("CUDA error: device-side assert triggered")
    desk = Desk(make_hooked_engine(checkpoint("llama"), fail_on(99, error)))
    with pytest.raises(torch.AcceleratorError):
        desk.turn(Submit("it", [99], SamplingParams(5)))
