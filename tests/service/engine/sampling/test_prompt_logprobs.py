"""Log probabilities of a prompt's tokens: transformers' own, however the prompt is cut, shared or preempted."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from service.engine.engine import Engine
from service.engine.scheduling.scheduled import MAX_PROMPT_LOGITS, ScheduledSequence
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.messages import StepOutput
from service.engine_protocol.sampling_params import SamplingParams, TokenLogprobs
from tests.support.checkpoints import FAMILIES
from tests.support.deferred import overlapping_engine
from tests.support.engines import finish, is_whole, load_reference, make_engine, outputs_of, tokens_of

Checkpoint = Callable[[str], Path]
PROMPT = [3 + (step * 7) % 300 for step in range(70)]


def told(num_prompt_logprobs: int = 3, max_tokens: int = 4) -> SamplingParams:
    return SamplingParams(max_tokens, num_prompt_logprobs=num_prompt_logprobs)


def prompt_logprobs(outputs: list[StepOutput], name: str = "it") -> list[TokenLogprobs]:
    """What is told of a prompt, which the first output tells."""
    first, *others = [output.prompt_logprobs for output in outputs if output.id == name]
    assert not any(others)
    return list(first)


def expected(model: PreTrainedModel, prompt: list[int]) -> torch.Tensor:
    """transformers' log probabilities behind each token but the last, [tokens - 1, vocabulary]."""
    with torch.inference_mode():
        logits = model(torch.tensor([prompt])).logits[0, :-1]
    return torch.log_softmax(logits.float(), dim=-1)


def assert_are(logprobs: list[TokenLogprobs], raw: torch.Tensor, prompt: list[int], num_top: int) -> None:
    assert len(logprobs) == len(prompt) - 1
    for row, token_id, known in zip(raw, prompt[1:], logprobs, strict=True):
        assert known.logprob == pytest.approx(row[token_id].item(), abs=1e-4)
        values = [logprob for _, logprob in known.top]
        assert values == pytest.approx(row.topk(num_top).values.tolist(), abs=1e-4)
        assert [row[likely].item() for likely, _ in known.top] == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_they_are_those_of_transformers(checkpoint: Checkpoint, family: str) -> None:
    engine = make_engine(checkpoint(family), max_num_seqs=4, max_num_batched_tokens=24)
    engine.submit("it", PROMPT, told(5))
    raw = expected(load_reference(checkpoint(family), "float32"), PROMPT)
    assert_are(prompt_logprobs(finish(engine)), raw, PROMPT, 5)
    assert is_whole(engine)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings().max_examples // 6)
@given(
    prompts=st.lists(st.tuples(st.integers(1, 70), st.sampled_from([None, 0, 1, 20])), min_size=1, max_size=6),
    num_blocks=st.integers(6, 30),
    max_num_batched_tokens=st.integers(6, 90),
    accelerations=st.sampled_from([{Acceleration.OVERLAP}, {Acceleration.OVERLAP, Acceleration.ATTENTION}, set()]),
)
def test_they_are_the_same_in_company_in_chunks_and_after_preemption(
    checkpoint: Checkpoint,
    prompts: list[tuple[int, int | None]],
    num_blocks: int,
    max_num_batched_tokens: int,
    accelerations: set[Acceleration],
) -> None:
    model = load_reference(checkpoint("llama"), "float64")
    bounds = {"max_num_seqs": 6, "max_num_batched_tokens": max_num_batched_tokens}
    engine, _ = overlapping_engine(model, num_blocks, **bounds, accelerations=frozenset(accelerations))
    for place, (length, num_logprobs) in enumerate(prompts):
        engine.submit(str(place), PROMPT[:length], SamplingParams(20, num_prompt_logprobs=num_logprobs))
    outputs = finish(engine)
    raw = expected(model, PROMPT)
    alone = make_engine(checkpoint("llama"), dtype="float64")
    for place, (length, num_logprobs) in enumerate(prompts):
        logprobs = prompt_logprobs(outputs, str(place))
        if num_logprobs is None:
            assert not logprobs
        else:
            assert_are(logprobs, raw[: length - 1], PROMPT[:length], num_logprobs)
        alone.submit(str(place), PROMPT[:length], SamplingParams(20))
    plain = finish(alone)
    assert all(tokens_of(outputs, str(place)) == tokens_of(plain, str(place)) for place in range(len(prompts)))
    assert is_whole(engine)


def test_they_read_nothing_of_the_prefix_cache_and_leave_it_to_others(checkpoint: Checkpoint) -> None:
    engine = make_engine(checkpoint("llama"))
    cached = []
    for name, params in (("first", told()), ("again", told()), ("other", SamplingParams(4))):
        engine.submit(name, PROMPT, params)
        outputs = finish(engine)
        cached.append(outputs[-1].num_cached_tokens)
    assert cached == [0, 0, 64]


def preempted_engine(checkpoint: Path, at_step: int) -> tuple[Engine, list[StepOutput]]:
    """An engine whose sequences were all preempted once, before a step, and what it put out."""
    engine = make_engine(checkpoint, max_num_seqs=4, max_num_batched_tokens=20)
    engine.submit("it", PROMPT, told(2, max_tokens=6))
    outputs = [output for _ in range(at_step) for output in outputs_of(engine)]
    engine.scheduler.preempt_all()
    return engine, outputs + finish(engine)


@pytest.mark.parametrize("at_step", range(9))
def test_a_preempted_prompt_is_told_once_and_whole(checkpoint: Checkpoint, at_step: int) -> None:
    engine, outputs = preempted_engine(checkpoint("llama"), at_step)
    raw = expected(load_reference(checkpoint("llama"), "float32"), PROMPT)
    assert_are(prompt_logprobs(outputs), raw, PROMPT, 2)
    assert len(outputs) == 6
    assert is_whole(engine)


@pytest.mark.parametrize("num_steps", range(6))
def test_an_abort_within_the_prompt_frees_its_blocks(checkpoint: Checkpoint, num_steps: int) -> None:
    engine = make_engine(checkpoint("llama"), max_num_seqs=4, max_num_batched_tokens=20)
    engine.submit("it", PROMPT, told())
    for _ in range(num_steps):
        engine.step()
    engine.abort("it")
    assert is_whole(engine)


def test_a_step_computes_logits_of_no_more_tokens_than_may_be(checkpoint: Checkpoint) -> None:
    engine = make_engine(checkpoint("llama"), num_blocks=256, max_num_seqs=8, max_num_batched_tokens=2000)
    for name in "abc":
        engine.submit(name, (PROMPT * 10)[:400], told(0))
    engine.submit("plain", (PROMPT * 10)[:400], SamplingParams(4))
    rows = []

    def note(scheduled: list[ScheduledSequence]) -> None:
        rows.append({item.sequence.id: (item.num_tokens, item.num_prompt_logits) for item in scheduled})

    while engine.has_work:
        outputs_of(engine, note)
    assert max(sum(logits for _, logits in step.values()) for step in rows) == MAX_PROMPT_LOGITS
    assert rows[0]["plain"] == (400, 0)
    assert sum(logits for step in rows for _, logits in step.values()) == 3 * 399


def test_a_completion_of_one_token_tells_them_too(checkpoint: Checkpoint) -> None:
    engine = make_engine(checkpoint("llama"))
    engine.submit("it", PROMPT, told(max_tokens=1))
    assert len(prompt_logprobs(finish(engine))) == len(PROMPT) - 1


def test_a_prompt_of_one_token_has_none(checkpoint: Checkpoint) -> None:
    engine = make_engine(checkpoint("llama"))
    engine.submit("it", [5], told())
    assert prompt_logprobs(finish(engine)) == []
    assert is_whole(engine)
