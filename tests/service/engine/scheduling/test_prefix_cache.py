"""What the prefix cache gives is what computing it would have given, and nothing that it has is computed again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.engine import Engine
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine_protocol.engine_config import BLOCK_SIZE
from service.engine_protocol.messages import StepOutput
from service.engine_protocol.sampling_params import Priority, SamplingParams
from tests.support.checkpoints import FAMILIES
from tests.support.engines import fail_step, finish, make_engine, outputs_of, tokens_of

Checkpoint = Callable[[str], Path]
Reference = Callable[..., list[int]]

PROMPT = [3 + (step * 7) % 300 for step in range(70)]


def run_counted(engine: Engine) -> tuple[list[StepOutput], int]:
    """Steps until nothing is left: all outputs, and how many tokens were computed."""
    outputs: list[StepOutput] = []
    num_computed = 0

    def count(scheduled: list[ScheduledSequence]) -> None:
        nonlocal num_computed
        num_computed += sum(item.num_tokens for item in scheduled)

    while engine.has_work:
        outputs += outputs_of(engine, count)
    return outputs, num_computed


@pytest.mark.parametrize("family", FAMILIES)
def test_each_turn_of_a_conversation_computes_only_what_is_new(
    family: str, checkpoint: Checkpoint, reference: Reference
) -> None:
    engine = make_engine(checkpoint(family), max_num_batched_tokens=256)
    history: list[int] = []
    for turn in range(4):
        prompt = history + PROMPT[turn : turn + 25 + turn]
        engine.submit("it", prompt, SamplingParams(20))
        outputs, num_computed = run_counted(engine)
        assert tokens_of(outputs, "it") == reference(family, prompt, 20)
        # The last token of a completion is sampled and never computed.
        num_cached = max(len(history) - 1, 0) // BLOCK_SIZE * BLOCK_SIZE
        assert {output.num_cached_tokens for output in outputs} == {num_cached}
        assert num_computed == len(prompt) - num_cached + 20 - 1
        history = prompt + tokens_of(outputs, "it")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings().max_examples // 6)
@given(seed=st.integers(-(2**63), 2**63 - 1), num_shared=st.integers(1, len(PROMPT)), num_blocks=st.integers(12, 30))
def test_a_seeded_request_draws_the_same_after_a_hit(
    checkpoint: Checkpoint, seed: int, num_shared: int, num_blocks: int
) -> None:
    params = SamplingParams(40, temperature=0.9, top_k=40, top_p=0.95, seed=seed)
    alone, engine = (make_engine(checkpoint("llama"), dtype="float64", num_blocks=num_blocks) for _ in range(2))
    alone.submit("it", PROMPT, params)
    engine.submit("first", PROMPT[:num_shared], SamplingParams(5, temperature=1.0, seed=1))
    finish(engine)
    for other in range(3):
        engine.submit(str(other), PROMPT[: 20 * other + 1], SamplingParams(30, temperature=1.0, seed=other))
    engine.submit("it", PROMPT, params)
    outputs = finish(engine)
    assert tokens_of(outputs, "it") == tokens_of(finish(alone), "it")
    (num_cached_tokens,) = {output.num_cached_tokens for output in outputs if output.id == "it"}
    assert num_cached_tokens >= (num_shared - 1) // BLOCK_SIZE * BLOCK_SIZE or num_blocks < 24


def test_requests_of_another_salt_find_nothing(checkpoint: Checkpoint) -> None:
    engine = make_engine(checkpoint("llama"))
    found = []
    for salt in ("mine", "yours", "", "mine", ""):
        engine.submit("it", PROMPT, SamplingParams(1), cache_salt=salt)
        found.append(finish(engine)[0].num_cached_tokens)
    assert found == [0, 0, 0, 64, 64]


def test_many_requests_of_one_prefix_compute_it_once(checkpoint: Checkpoint, reference: Reference) -> None:
    engine = make_engine(checkpoint("llama"), max_num_seqs=32, max_num_batched_tokens=72)
    for name in range(16):
        engine.submit(str(name), [*PROMPT, 100 + name], SamplingParams(4))
    outputs, num_computed = run_counted(engine)
    for name in range(16):
        assert tokens_of(outputs, str(name)) == reference("llama", [*PROMPT, 100 + name], 4)
    # The second is admitted with what the first leaves of the budget, before the first is computed.
    num_first, num_others = 71, 71 - 64
    assert num_computed <= 16 * 3 + 2 * num_first + 14 * num_others


def test_after_a_failed_step_nothing_is_taken_from_the_cache(checkpoint: Checkpoint, reference: Reference) -> None:
    engine = make_engine(checkpoint("llama"), max_num_batched_tokens=256)
    engine.submit("before", PROMPT, SamplingParams(5))
    finish(engine)
    engine.submit("fails", PROMPT, SamplingParams(5))
    fail_step(engine)
    assert engine.block_pool.num_cached == 0
    engine.submit("after", PROMPT, SamplingParams(5))
    outputs = finish(engine)
    assert outputs[0].num_cached_tokens == 0
    assert tokens_of(outputs, "after") == reference("llama", PROMPT, 5)


def test_preempted_requests_find_their_own_blocks_again(checkpoint: Checkpoint, reference: Reference) -> None:
    prompts = {str(name): PROMPT[name:] for name in range(4)}
    engine = make_engine(checkpoint("llama"), num_blocks=24, max_num_batched_tokens=512)
    for name, prompt in prompts.items():
        engine.submit(name, prompt, SamplingParams(60))
    outputs, num_computed = run_counted(engine)
    for name, prompt in prompts.items():
        assert tokens_of(outputs, name) == reference("llama", prompt, 60)
    num_preemptions = engine.scheduler.num_preemptions
    assert num_preemptions > 0
    num_necessary = sum(len(prompt) + 59 for prompt in prompts.values())
    assert num_computed < num_necessary + num_preemptions * 70, "less than the prompts once more"


def test_batch_requests_that_gave_way_lose_nothing(checkpoint: Checkpoint, reference: Reference) -> None:
    engine = make_engine(checkpoint("llama"), max_num_seqs=2, max_num_batched_tokens=64)
    for name in ("batch 0", "batch 1"):
        engine.submit(name, [*PROMPT, ord(name[-1])], SamplingParams(40), Priority.BATCH)
    outputs = [output for _ in range(10) for output in outputs_of(engine)]
    for name in ("online 0", "online 1"):
        engine.submit(name, [*PROMPT, 2 * ord(name[-1])], SamplingParams(40))
    outputs += finish(engine)
    ends = [output.id for output in outputs if output.finish_reason]
    assert ends == ["online 0", "online 1", "batch 0", "batch 1"]
    for name in ends:
        own = ord(name[-1]) * (2 if name.startswith("online") else 1)
        assert tokens_of(outputs, name) == reference("llama", [*PROMPT, own], 40)
    assert engine.scheduler.num_preemptions == 2
