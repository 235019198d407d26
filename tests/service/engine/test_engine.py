"""The engine gives every request what it would get alone, and frees all that it took."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.engine import Engine
from service.engine.sequence import FinishReason, Priority, SamplingParams
from tests.service.engine.conftest import FAMILIES, finish, make_engine, tokens_of

Checkpoint = Callable[[str], Path]
Reference = Callable[..., list[int]]

PREFIX = [3 + (step * 7) % 300 for step in range(60)]
REQUESTS = st.lists(
    st.tuples(
        st.builds(
            lambda num_shared, own: PREFIX[:num_shared] + own,  # the prompt
            st.integers(0, len(PREFIX)),
            st.lists(st.integers(3, 319), min_size=1, max_size=60),
        ),
        st.integers(1, 40),  # max_tokens
        st.integers(0, 12),  # the step before which it arrives
        st.none() | st.integers(0, 30),  # how many steps after that it is aborted
        st.sampled_from(Priority),
    ),
    min_size=1,
    max_size=8,
)


def is_whole(engine: Engine) -> bool:
    return engine.block_pool.num_free == engine.block_pool.num_blocks and not engine.has_work


def greedy(max_tokens: int, *eos: int) -> SamplingParams:
    return SamplingParams(max_tokens, eos_token_ids=frozenset(eos))


@pytest.mark.parametrize("family", FAMILIES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(requests=REQUESTS, num_blocks=st.integers(10, 40), max_num_batched_tokens=st.sampled_from([4, 16, 64]))
def test_greedy_tokens_equal_generate_whatever_else_runs(
    family: str, checkpoint: Checkpoint, reference: Reference, requests, num_blocks: int, max_num_batched_tokens: int
) -> None:
    engine = make_engine(
        checkpoint(family), num_blocks=num_blocks, max_num_seqs=4, max_num_batched_tokens=max_num_batched_tokens
    )
    outputs = []
    for step in range(45):
        for name, (prompt, max_tokens, arrival, abort_after, priority) in enumerate(requests):
            if step == arrival:
                engine.submit(str(name), prompt, greedy(max_tokens, 2), priority)
            if abort_after is not None and step == arrival + abort_after:
                engine.abort(str(name))
        outputs += engine.step()
    outputs += finish(engine)
    for name, (prompt, max_tokens, _, abort_after, _) in enumerate(requests):
        tokens, expected = tokens_of(outputs, str(name)), reference(family, prompt, max_tokens, frozenset({2}))
        assert tokens == (expected if abort_after is None else expected[: len(tokens)])
    assert is_whole(engine)


def test_sixteen_mixed_requests_get_what_they_would_get_alone(checkpoint: Checkpoint, reference: Reference) -> None:
    engine = make_engine(checkpoint("llama"), num_blocks=600, max_num_seqs=16)
    prompts = [[3 + (place * 7 + step) % 300 for step in range(1 + place * 53)] for place in range(16)]
    for place, prompt in enumerate(prompts):
        engine.submit(str(place), prompt, greedy(24))
    outputs = finish(engine)
    for place, prompt in enumerate(prompts):
        assert tokens_of(outputs, str(place)) == reference("llama", prompt, 24)
    assert is_whole(engine)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(seed=st.integers(-(2**63), 2**63 - 1), num_blocks=st.integers(8, 20))
def test_a_seeded_request_draws_the_same_alone_and_in_company(
    checkpoint: Checkpoint, seed: int, num_blocks: int
) -> None:
    params = SamplingParams(40, temperature=0.9, top_k=40, top_p=0.95, seed=seed)
    alone = make_engine(checkpoint("llama"), dtype="float64")
    alone.submit("it", [5, 6, 7], params)
    company = make_engine(checkpoint("llama"), dtype="float64", num_blocks=num_blocks, max_num_batched_tokens=256)
    for other in range(5):
        company.submit(str(other), [9] * (11 * other + 1), SamplingParams(30, temperature=1.0, seed=other))
    company.submit("it", [5, 6, 7], params)
    assert tokens_of(finish(company), "it") == tokens_of(finish(alone), "it")


def test_each_of_several_eos_tokens_ends_a_completion(checkpoint: Checkpoint, reference: Reference) -> None:
    tokens = reference("llama", [5, 6, 7], 20)
    for eos in (tokens[4], tokens[9]):
        engine = make_engine(checkpoint("llama"))
        engine.submit("it", [5, 6, 7], greedy(20, 319, eos))
        last = finish(engine)[-1]
        assert (last.token_id, last.finish_reason) == (eos, FinishReason.STOP)
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


@pytest.mark.parametrize(("prompt", "max_tokens"), [([], 5), ([5], 0), ([5] * 1000, 100), ([5] * 2000, 100)])
def test_a_request_that_could_never_run_is_refused(checkpoint: Checkpoint, prompt: list[int], max_tokens: int) -> None:
    engine = make_engine(checkpoint("llama"))
    with pytest.raises(ValueError, match="token"):
        engine.submit("it", prompt, greedy(max_tokens))
    assert is_whole(engine)


def test_a_failed_step_ends_its_own_sequences_and_the_others_go_on(
    checkpoint: Checkpoint, reference: Reference
) -> None:
    engine = make_engine(checkpoint("llama"), max_num_seqs=4, max_num_batched_tokens=4)
    for name in range(6):
        engine.submit(str(name), [5, 6, 7 + name], greedy(10))
    failed = engine.fail(engine.schedule())
    assert [failure.id for failure in failed] == ["0", "1"]
    outputs = finish(engine)
    for name in range(2, 6):
        assert tokens_of(outputs, str(name)) == reference("llama", [5, 6, 7 + name], 10)
    assert is_whole(engine)
