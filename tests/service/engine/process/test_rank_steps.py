"""What rank 0 tells is enough for another rank to compute the same."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.engine import Engine
from service.engine.forward.model_runner import ModelRunner
from service.engine.process.rank_steps import StepReader, StepWriter
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.startup.build import make_engine, start_runner
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.framing import pack, unpack
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import long_rope_model, tiny_model
from tests.support.engines import outputs_of

NUM_BLOCKS = 8
REQUESTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 60), st.integers(1, 20), st.integers(0, 8), st.sampled_from([None, 2])),
    min_size=1,
    max_size=6,
)
"""Ids, prompt lengths, max_tokens, how many steps later the next one comes, and log probabilities of the prompt."""


@pytest.fixture(scope="module", params=[tiny_model, long_rope_model], ids=["llama", "long rope"])
def pair(request: pytest.FixtureRequest) -> tuple[Engine, ModelRunner, ModelRunner]:
    """An engine, its runner, and one with the same weights that computes along."""
    config = EngineConfig(Path("unused"), max_num_seqs=4, max_num_batched_tokens=24)
    started, following = (start_runner(request.param(), config, NUM_BLOCKS) for _ in range(2))
    writer, reader = StepWriter(), StepReader()

    @contextlib.contextmanager
    def step_scope(packed: list[ScheduledSequence]) -> Iterator[None]:
        followed = reader.read(unpack(pack(writer.write(packed))[4:]))
        assert [item.num_prompt_logits for item in followed] == [item.num_prompt_logits for item in packed]
        following.runner.logits(followed)
        yield

    started.runner.step_scope = step_scope
    return make_engine(started, config), started.runner, following.runner


@given(requests=REQUESTS)
@settings(max_examples=settings().max_examples // 4)
def test_the_caches_of_both_are_equal(
    pair: tuple[Engine, ModelRunner, ModelRunner], requests: list[tuple[int, int, int, int, int | None]]
) -> None:
    engine, first, second = pair
    for name, length, max_tokens, num_steps, num_logprobs in requests:
        engine.abort(str(name))  # the same id may come again in the next step
        params = SamplingParams(max_tokens, num_prompt_logprobs=num_logprobs)
        engine.submit(str(name), [(7 * i + name % 2) % 320 for i in range(length)], params)
        for _ in range(num_steps):
            outputs_of(engine)
    while engine.has_work:
        outputs_of(engine)
    for ours, theirs in zip(first._kv_cache, second._kv_cache, strict=True):
        assert torch.equal(ours, theirs)
