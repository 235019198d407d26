"""With `--accelerate overlap` a step is launched before the one ahead of it is retired, and no request notices."""

import copy
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from service.engine.attention.paged_decode import paged_decode_reference
from service.engine.engine import Engine
from service.engine.forward.kv_cache import KVShape
from service.engine.forward.model_runner import ModelRunner
from service.engine.grammars.compiler import GrammarCompiler
from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.scheduler import Scheduler
from service.engine.scheduling.sequence import Sequence
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.messages import ENGINE_FAILED, StepOutput
from service.engine_protocol.sampling_params import Priority, SamplingParams
from tests.support.arriving_requests import FEW, PAIRS, PREFIX, Request
from tests.support.deferred import OVERLAP, overlapping_engine
from tests.support.engines import engine_on_a_copy, finish
from tests.support.grammars import choice, regex, save_model
from tests.support.tokenizers import byte_level_tokenizer


class Tiny:
    """A random model in float64, in which a token does not depend on the batch."""

    def __init__(self, checkpoint: Path) -> None:
        self.model: PreTrainedModel = load_model(checkpoint, "cpu", "float64")
        self.compiler = GrammarCompiler(checkpoint)
        self._plain = engine_on_a_copy(self.model)
        self.alone = cache(self._alone)

    def submit(self, engine: Engine, name: str, request: Request) -> None:
        grammar = None if request.grammar is None else self.compiler.compile(request.grammar).result()
        engine.submit(name, list(request.prompt), request.params, request.priority, grammar=grammar)

    def _alone(self, request: Request) -> list[StepOutput]:
        """What a plain engine gives a request that is alone in it, which may exclude all tokens and so fail."""
        self.submit(self._plain, "it", request)
        outputs: list[StepOutput] = []
        while self._plain.has_work:
            outputs += self._plain.step().outputs
        return outputs


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    tiny = Tiny(save_model(tmp_path_factory.mktemp("tiny"), byte_level_tokenizer(512)))
    yield tiny
    tiny.compiler.close()


PARAMS = st.builds(
    SamplingParams,
    max_tokens=st.integers(1, 30),
    temperature=st.sampled_from([0.0, 1.0]),
    top_p=st.sampled_from([1.0, 0.9]),
    presence_penalty=st.sampled_from([0.0, 0.0, 0.0, 0.7]),
    seed=st.integers(0, 3),
    eos_token_ids=st.sampled_from([frozenset[int](), frozenset(range(0, 512, 5)), frozenset(range(0, 512, 20))]),
    stop_token_ids=st.sampled_from([frozenset[int](), frozenset[int](), frozenset({53, 103, *range(1, 418, 9)})]),
    allowed_token_ids=st.sampled_from([(), (), FEW]),
    bad_words=st.sampled_from([(), (), PAIRS, tuple((token_id,) for token_id in range(0, 418, 3))]),
    min_tokens=st.sampled_from([0, 0, 4]),
    num_logprobs=st.sampled_from([None, None, 2]),
    num_prompt_logprobs=st.sampled_from([None, None, None, 1]),
)
REQUEST = st.builds(
    Request,
    prompt=st.builds(
        lambda n, own: (*PREFIX[:n], *own), st.integers(0, 40), st.lists(st.just(9), min_size=1, max_size=3)
    ),
    params=PARAMS,
    grammar=st.sampled_from([None] * 6 + [choice("yes", "no"), regex("[ab]{3,9}")]),
    priority=st.sampled_from(Priority),
    arrives_at=st.integers(0, 30),
    aborted_after=st.none() | st.integers(0, 30),
)


@given(
    requests=st.lists(REQUEST, min_size=1, max_size=8),
    failing_steps=st.sets(st.integers(0, 40), max_size=1),
    num_blocks=st.integers(5, 20),
    max_num_seqs=st.integers(1, 6),
    more_tokens=st.integers(0, 40),
    accelerations=st.sampled_from([OVERLAP, OVERLAP | {Acceleration.ATTENTION, Acceleration.GRAPHS}]),
)
def test_every_request_gets_what_it_would_get_alone_and_ends_once(
    tiny: Tiny,
    requests: list[Request],
    failing_steps: set[int],
    num_blocks: int,
    max_num_seqs: int,
    more_tokens: int,
    accelerations: frozenset[Acceleration],
) -> None:
    engine, device = overlapping_engine(
        tiny.model,
        num_blocks,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_seqs + more_tokens,
        accelerations=accelerations,
    )
    outputs: dict[str, list[StepOutput]] = defaultdict(list)
    cut_short: dict[str, int] = {}
    step = 0
    while engine.has_work or step <= 60:
        for name, request in enumerate(requests):
            if request.arrives_at == step:
                tiny.submit(engine, str(name), request)
            if request.aborted_after is not None and request.arrives_at + request.aborted_after == step:
                engine.abort(str(name))
                cut_short.setdefault(str(name), len(outputs[str(name)]))
        device.is_failing = step in failing_steps
        result = engine.step()
        for failure in [failure for failure in result.failed if failure.message == ENGINE_FAILED]:
            assert cut_short.setdefault(failure.id, len(outputs[failure.id])) == len(outputs[failure.id])
        for output in result.outputs:
            outputs[output.id].append(output)
        step += 1
    for name, request in enumerate(requests):
        alone = [(output.token_id, output.finish_reason) for output in tiny.alone(request)]
        given = [(output.token_id, output.finish_reason) for output in outputs[str(name)]]
        assert given == alone[: cut_short.get(str(name), len(alone))]
    assert engine.block_pool.num_free == engine.block_pool.num_blocks


ALL_ASKED = SamplingParams(
    9,
    temperature=1.0,
    top_k=200,
    top_p=0.9,
    min_p=0.1,
    repetition_penalty=1.1,
    frequency_penalty=0.1,
    logit_bias=((5, 1.0),),
    allowed_token_ids=FEW,
    bad_words=((3,), (6, 7, 53)),
    eos_token_ids=frozenset({2}),
    stop_token_ids=frozenset({53}),
    min_tokens=2,
    num_logprobs=3,
    num_prompt_logprobs=3,
)


@pytest.mark.parametrize("accelerations", [OVERLAP, OVERLAP | {Acceleration.ATTENTION}])
def test_a_launch_waits_for_nothing(tiny: Tiny, accelerations: frozenset[Acceleration]) -> None:
    model = copy.deepcopy(tiny.model).to("meta")  # type: ignore[arg-type]  # no data, so that to wait for any is an error
    runner = ModelRunner(model, [KVShape(2, 16)] * 2, 64, accelerations, paged_decode_reference)
    plain, asking, formed = (Sequence(name, [5, 6, 7], 3, ALL_ASKED) for name in ("plain", "asking", "formed"))
    plain.params = SamplingParams(9)
    formed.grammar = tiny.compiler.compile(choice("yes", "no")).result()
    scheduler = Scheduler(BlockPool(64), 4, 64)
    for sequence in (plain, asking, formed):
        scheduler.add(sequence)
    first = scheduler.schedule()
    flight = runner.launch(first)
    scheduler.launch(first)
    behind = runner.launch([ScheduledSequence(sequence, 1) for sequence in (plain, asking, formed)], flight)
    assert flight.pending.sampled.errors == behind.pending.sampled.errors == {}
    with pytest.raises(NotImplementedError, match="meta tensor"):
        flight.tokens()


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(30, frequency_penalty=1.5),
        SamplingParams(30, allowed_token_ids=FEW, bad_words=PAIRS),
        SamplingParams(30, bad_words=tuple((token_id,) for token_id in range(0, 418, 3))),
    ],
)
def test_a_device_that_is_told_its_work_at_once_knows_the_tokens_that_count(tiny: Tiny, params: SamplingParams) -> None:
    engine = engine_on_a_copy(tiny.model, accelerations=OVERLAP)
    request = Request((5, 6, 7), params, None, Priority.ONLINE, 0, None)
    tiny.submit(engine, "it", request)
    assert finish(engine) == tiny.alone(request)
