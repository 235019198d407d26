"""The engine gives every request what it would get alone, and frees all that it took."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.engine.engine import Engine
from service.engine.sequence import FinishReason, SamplingParams
from tests.service.engine.conftest import finish, make_engine, tokens_of

Checkpoint = Callable[[str], Path]
Reference = Callable[..., list[int]]


def is_whole(engine: Engine) -> bool:
    return engine.block_pool.num_free == engine.block_pool.num_blocks and not engine.has_work


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
