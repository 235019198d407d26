"""The engine gives every request what it would get alone, and frees all that it took."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine_protocol.messages import StepOutput
from service.engine_protocol.sampling_params import FinishReason, SamplingParams
from tests.support.engines import fail_step, finish, is_whole, make_engine, tokens_of

Checkpoint = Callable[[str], Path]
Reference = Callable[..., list[int]]


FEW = tuple(range(3, 320, 40))
PAIRS = tuple((first, second) for first in FEW for second in FEW if (first + second) % 80 == 6)
"""Bad words: behind each of these tokens every other one is forbidden."""


def greedy(max_tokens: int, *eos: int) -> SamplingParams:
    return SamplingParams(max_tokens, eos_token_ids=frozenset(eos))


def test_sixteen_mixed_requests_get_what_they_would_get_alone(checkpoint: Checkpoint, reference: Reference) -> None:
    engine = make_engine(checkpoint("llama"), num_blocks=600, max_num_seqs=16)
    prompts = [[3 + (place * 7 + step) % 300 for step in range(1 + place * 53)] for place in range(16)]
    for place, prompt in enumerate(prompts):
        engine.submit(str(place), prompt, greedy(24))
    outputs = finish(engine)
    for place, prompt in enumerate(prompts):
        assert tokens_of(outputs, str(place)) == reference("llama", prompt, 24)
    assert is_whole(engine)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings().max_examples // 10)
@given(
    params=st.builds(
        SamplingParams,
        max_tokens=st.just(40),
        temperature=st.sampled_from([0.0, 0.9]),
        top_k=st.sampled_from([0, 40]),
        top_p=st.sampled_from([1.0, 0.95]),
        min_p=st.sampled_from([0.0, 0.01]),
        repetition_penalty=st.sampled_from([1.0, 1.2]),
        frequency_penalty=st.sampled_from([0.0, 0.3]),
        presence_penalty=st.sampled_from([0.0, -0.3]),
        logit_bias=st.sampled_from([(), ((5, 2.0), (6, -100.0))]),
        allowed_token_ids=st.sampled_from([(), FEW]),
        bad_words=st.sampled_from([(), PAIRS]),
        seed=st.integers(-(2**63), 2**63 - 1),
        num_logprobs=st.sampled_from([None, 0, 3]),
    ),
    num_blocks=st.integers(6, 40),
)
def test_a_seeded_request_draws_the_same_alone_among_15_others_and_after_preemption(
    checkpoint: Checkpoint, params: SamplingParams, num_blocks: int
) -> None:
    alone = make_engine(checkpoint("llama"), dtype="float64")
    alone.submit("it", [5, 6, 7], params)
    company = make_engine(checkpoint("llama"), dtype="float64", num_blocks=num_blocks, max_num_seqs=16)
    for other in range(15):
        others = SamplingParams(20, temperature=other % 3, seed=other, presence_penalty=other % 2, top_k=other % 5)
        company.submit(str(other), [9] * (4 * other + 1), others)
    company.submit("it", [5, 6, 7], params)
    expected, outputs = finish(alone), finish(company)
    assert tokens_of(outputs, "it") == tokens_of(expected, "it")
    assert logprobs_of(outputs) == pytest.approx(logprobs_of(expected))


def logprobs_of(outputs: list[StepOutput]) -> list[float]:
    return [output.logprobs.logprob for output in outputs if output.id == "it" and output.logprobs]


def test_penalties_survive_preemption(checkpoint: Checkpoint) -> None:
    params = SamplingParams(60, repetition_penalty=1.3, frequency_penalty=0.4)
    alone = make_engine(checkpoint("llama"), dtype="float64")
    alone.submit("it", [5, 6, 7], params)
    crowded = make_engine(checkpoint("llama"), dtype="float64", num_blocks=6)
    crowded.submit("older", [9] * 20, SamplingParams(70))
    crowded.submit("it", [5, 6, 7], params)
    outputs = finish(crowded)
    assert crowded.scheduler.num_preemptions > 0
    assert tokens_of(outputs, "it") == tokens_of(finish(alone), "it")


def test_each_of_several_eos_tokens_ends_a_completion(checkpoint: Checkpoint, reference: Reference) -> None:
    tokens = reference("llama", [5, 6, 7], 20)
    for eos in (tokens[4], tokens[9]):
        engine = make_engine(checkpoint("llama"))
        engine.submit("it", [5, 6, 7], greedy(20, 319, eos))
        last = finish(engine)[-1]
        assert (last.token_id, last.finish_reason) == (eos, FinishReason.STOP)
        assert is_whole(engine)


def test_a_stop_token_ends_a_completion_beside_eos_and_not_before_min_tokens(
    checkpoint: Checkpoint, reference: Reference
) -> None:
    tokens = reference("llama", [5, 6, 7], 20)
    stop = tokens[4]
    engine = make_engine(checkpoint("llama"))
    stops = SamplingParams(20, eos_token_ids=frozenset({319}), stop_token_ids=frozenset({stop, 318}))
    engine.submit("it", [5, 6, 7], stops)
    engine.submit("late", [5, 6, 7], replace(stops, min_tokens=7))
    outputs = finish(engine)
    assert tokens_of(outputs, "it") == tokens[: tokens.index(stop) + 1]
    assert [output.finish_reason for output in outputs if output.id == "it"][-1] is FinishReason.STOP
    assert stop not in tokens_of(outputs, "late")[:7]
    assert is_whole(engine)


def test_max_tokens_ends_a_completion(checkpoint: Checkpoint) -> None:
    engine = make_engine(checkpoint("llama"))
    engine.submit("it", [5, 6, 7], greedy(3))
    assert [output.finish_reason for output in finish(engine)] == [None, None, FinishReason.LENGTH]


@pytest.mark.parametrize("num_steps", [0, 1, 2, 5])
def test_an_abort_frees_the_blocks_at_once(checkpoint: Checkpoint, num_steps: int) -> None:
    engine = make_engine(checkpoint("llama"), max_num_seqs=8, max_num_batched_tokens=16)
    engine.submit("it", [5] * 30, greedy(100))
    for _ in range(num_steps):
        engine.step()
    engine.abort("it")
    assert is_whole(engine)


def test_aborting_what_has_ended_is_no_error(checkpoint: Checkpoint) -> None:
    engine = make_engine(checkpoint("llama"))
    engine.abort("never seen")
    assert is_whole(engine)


@pytest.mark.parametrize(
    ("prompt", "max_tokens", "params"),
    [
        ([], 5, {}),
        ([5], 0, {}),
        ([5] * 1000, 100, {}),
        ([5] * 2000, 100, {}),
        ([5, 320], 5, {}),
        ([-1], 5, {}),
        ([5], 5, {"logit_bias": ((320, 1.0),)}),
        ([5], 5, {"stop_token_ids": frozenset({320})}),
        ([5], 5, {"allowed_token_ids": (5, 320)}),
        ([5], 5, {"bad_words": ((5,), (5, -1))}),
    ],
)
def test_a_request_that_could_never_run_is_refused(
    checkpoint: Checkpoint, prompt: list[int], max_tokens: int, params: dict[str, Any]
) -> None:
    engine = make_engine(checkpoint("llama"))
    with pytest.raises(ValueError, match="token"):
        engine.submit("it", prompt, SamplingParams(max_tokens, **params))
    assert is_whole(engine)


def test_min_tokens_puts_the_end_off(checkpoint: Checkpoint, reference: Reference) -> None:
    first = reference("llama", [5, 6, 7], 1)[0]
    engine = make_engine(checkpoint("llama"))
    engine.submit("it", [5, 6, 7], SamplingParams(20, eos_token_ids=frozenset({first}), min_tokens=3))
    tokens = tokens_of(finish(engine), "it")
    assert len(tokens) > 3
    assert first not in tokens[:3]


def test_a_failed_step_ends_its_own_sequences_and_the_others_go_on(
    checkpoint: Checkpoint, reference: Reference
) -> None:
    engine = make_engine(checkpoint("llama"), max_num_seqs=4, max_num_batched_tokens=4)
    for name in range(6):
        engine.submit(str(name), [5, 6, 7 + name], greedy(10))
    assert fail_step(engine) == ["0", "1"]
    outputs = finish(engine)
    for name in range(2, 6):
        assert tokens_of(outputs, str(name)) == reference("llama", [5, 6, 7 + name], 10)
    assert is_whole(engine)
