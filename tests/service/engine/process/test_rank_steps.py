"""What rank 0 tells is enough for another rank to compute the same."""

import contextlib
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.engine import Engine
from service.engine.process.rank_steps import StepReader, StepWriter
from service.engine.scheduling.scheduler import ScheduledSequence
from service.engine_protocol.framing import pack, unpack
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import tiny_model
from tests.support.engines import engine_on_a_copy

NUM_BLOCKS = 8
REQUESTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 60), st.integers(1, 20), st.integers(0, 8), st.sampled_from([None, 2])),
    min_size=1,
    max_size=6,
)
"""Ids, prompt lengths, max_tokens, how many steps later the next one comes, and log probabilities of the prompt."""


@pytest.fixture(scope="module")
def pair() -> tuple[Engine, Engine]:
    """Two engines with the same weights; the second computes along with the first."""
    model = tiny_model()
    first, second = (engine_on_a_copy(model, NUM_BLOCKS, max_num_seqs=4, max_num_batched_tokens=24) for _ in range(2))
    writer, reader = StepWriter(), StepReader()

    @contextlib.contextmanager
    def step_scope(packed: list[ScheduledSequence]) -> Iterator[None]:
        followed = reader.read(unpack(pack(writer.write(packed))[4:]))
        assert [item.num_prompt_logits for item in followed] == [item.num_prompt_logits for item in packed]
        second.compute_logits(followed)
        yield

    first.use_step_scope(step_scope)
    return first, second


@given(requests=REQUESTS)
@settings(max_examples=settings().max_examples // 4)
def test_the_caches_of_both_are_equal(
    pair: tuple[Engine, Engine], requests: list[tuple[int, int, int, int, int | None]]
) -> None:
    first, second = pair
    for name, length, max_tokens, num_steps, num_logprobs in requests:
        first.abort(str(name))  # the same id may come again in the next step
        params = SamplingParams(max_tokens, num_prompt_logprobs=num_logprobs)
        first.submit(str(name), [(7 * i + name % 2) % 320 for i in range(length)], params)
        for _ in range(num_steps):
            first.step()
    while first.has_work:
        first.step()
    for ours, theirs in zip(first._runner._kv_cache, second._runner._kv_cache, strict=True):
        assert torch.equal(ours, theirs)
