"""With drafts every request gets what it gets without: the same tokens, log probabilities and end."""

import random
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.engine import Engine
from service.engine.grammars.compiler import GrammarCompiler
from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.drafter import Drafter
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.scheduler import Scheduler
from service.engine.startup.build import StartedRunner, start_runner
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import StepOutput, StepResult
from service.engine_protocol.sampling_params import Priority, SamplingParams
from service.engine_protocol.speculative import Speculative
from tests.support.arriving_requests import FEW, PAIRS, PREFIX, Request
from tests.support.engines import engine_on_a_copy, fail_step, finish, is_whole, tokens_of
from tests.support.grammars import choice, regex, save_model, schema
from tests.support.tokenizers import byte_level_tokenizer

SMALLEST_VOCABULARY = 400
NUM_BLOCKS = 20


class Foreseen:
    """Predicts what a request gets without drafts, now and then with a wrong token in it."""

    acceptance_rate = 0.95

    def __init__(self, tokens: list[int], wrong: random.Random) -> None:
        self._tokens, self._wrong = tokens, wrong
        self.num_known = 0

    def catch_up(self) -> None: ...

    def predict(self, num_tokens: int) -> list[int]:
        coming = self._tokens[self.num_known :][:num_tokens]
        return [(it + 3) % SMALLEST_VOCABULARY if self._wrong.random() < 0.1 else it for it in coming]


class ForeseeingDrafter(Drafter):
    """Drafts what comes, so that much is accepted of a model that never repeats itself."""

    def __init__(self, coming: dict[str, list[int]], seed: int) -> None:
        super().__init__(row_cost=0.01)
        self._foreseen = {name: Foreseen(tokens, random.Random(seed)) for name, tokens in coming.items()}

    def add_drafts(self, scheduled: list[ScheduledSequence], pool: BlockPool, budget: int) -> None:
        for item in scheduled:
            foreseen = self._foreseen[item.sequence.id]
            foreseen.num_known = item.sequence.num_completion_tokens
            item.sequence.lookup = cast(Any, foreseen)
        super().add_drafts(scheduled, pool, budget)


class Tiny:
    """A random model in float32 whose steps are one call of compiled code, and what each request gets alone of it."""

    def __init__(self, checkpoint: Path, dtype: str) -> None:
        self.compiler = GrammarCompiler(checkpoint)
        model = load_model(checkpoint, "cpu", dtype)
        self._started = start_runner(model, EngineConfig(checkpoint, max_num_seqs=8), NUM_BLOCKS)
        assert self._started.runner.is_native
        self.alone = cache(self._alone)

    def engine(self, drafter: Drafter | None, max_num_seqs: int = 8, more_tokens: int = 100) -> Engine:
        return engine_of(self._started, drafter, max_num_seqs, more_tokens)

    def submit(self, engine: Engine, name: str, request: Request) -> None:
        grammar = None if request.grammar is None else self.compiler.compile(request.grammar).result()
        engine.submit(name, list(request.prompt), request.params, request.priority, grammar=grammar)

    def _alone(self, request: Request) -> tuple[list[StepOutput], str]:
        engine = self.engine(None)
        self.submit(engine, "it", request)
        outputs: list[StepOutput] = []
        message = ""
        while engine.has_work:
            result = engine.step()
            outputs += result.outputs
            message = message or "".join(failure.message for failure in result.failed)
        return outputs, message


def engine_of(started: StartedRunner, drafter: Drafter | None, max_num_seqs: int, more_tokens: int) -> Engine:
    pool = BlockPool(NUM_BLOCKS)
    scheduler = Scheduler(pool, max_num_seqs, max_num_seqs + more_tokens, drafter=drafter)
    return Engine(started.runner, scheduler, started.info, NUM_BLOCKS * 16)


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    checkpoint = save_model(tmp_path_factory.mktemp("tiny"), byte_level_tokenizer(512))
    tiny = Tiny(checkpoint, request.param)
    yield tiny
    tiny.compiler.close()


def given_by(outputs: list[StepOutput]) -> list[tuple[Any, ...]]:
    """All that a client may see of a completion's tokens."""
    return [(it.token_id, it.finish_reason, it.logprobs, it.prompt_logprobs) for it in outputs]


PARAMS = st.builds(
    SamplingParams,
    max_tokens=st.integers(1, 60),
    temperature=st.sampled_from([0.0, 1.0]),
    top_p=st.sampled_from([1.0, 0.9]),
    presence_penalty=st.sampled_from([0.0, 0.0, 0.7]),
    repetition_penalty=st.sampled_from([1.0, 1.0, 1.2]),
    logit_bias=st.sampled_from([(), ((5, 4.0),)]),
    seed=st.integers(0, 3),
    eos_token_ids=st.sampled_from([frozenset[int](), frozenset(range(0, 512, 20))]),
    stop_token_ids=st.sampled_from([frozenset[int](), frozenset({53, 103, *range(1, 418, 19)})]),
    allowed_token_ids=st.sampled_from([(), (), FEW]),
    bad_words=st.sampled_from([(), PAIRS, tuple((token_id,) for token_id in range(0, 418, 3))]),
    min_tokens=st.sampled_from([0, 0, 4]),
    num_logprobs=st.sampled_from([None, 0, 2]),
    num_prompt_logprobs=st.sampled_from([None, None, 1]),
)
FORMS = [choice("yes", "no, never"), regex("[ab]{3,9}"), schema({"enum": ["one of them", "one of those"]})]
REQUEST = st.builds(
    Request,
    prompt=st.builds(
        lambda n, own: (*PREFIX[:n], *own), st.integers(0, 40), st.lists(st.just(9), min_size=1, max_size=3)
    ),
    params=PARAMS,
    grammar=st.sampled_from([None] * 5 + FORMS),
    priority=st.sampled_from(Priority),
    arrives_at=st.integers(0, 20),
    aborted_after=st.none() | st.integers(0, 20),
)


@given(
    requests=st.lists(REQUEST, min_size=1, max_size=6),
    failing_steps=st.sets(st.integers(0, 20), max_size=1),
    max_num_seqs=st.integers(1, 6),
    more_tokens=st.integers(0, 40),
    seed=st.integers(0, 99),
)
def test_every_request_gets_to_the_bit_what_it_gets_alone_without_drafts(
    tiny: Tiny,
    requests: list[Request],
    failing_steps: set[int],
    max_num_seqs: int,
    more_tokens: int,
    seed: int,
) -> None:
    coming = {str(name): [it.token_id for it in tiny.alone(request)[0]] for name, request in enumerate(requests)}
    engine = tiny.engine(ForeseeingDrafter(coming, seed), max_num_seqs, more_tokens)
    outputs: dict[str, list[StepOutput]] = defaultdict(list)
    failures: dict[str, str] = {}
    cut_short: dict[str, int] = {}
    step = 0
    while engine.has_work or step <= 40:
        for name, request in enumerate(requests):
            if request.arrives_at == step:
                tiny.submit(engine, str(name), request)
            if request.aborted_after is not None and request.arrives_at + request.aborted_after == step:
                engine.abort(str(name))
                cut_short.setdefault(str(name), len(outputs[str(name)]))
        if step in failing_steps:
            cut_short |= {name: len(outputs[name]) for name in fail_step(engine)}
        result = engine.step()
        failures |= {failure.id: failure.message for failure in result.failed}
        for output in result.outputs:
            outputs[output.id].append(output)
        step += 1
    for name, request in enumerate(requests):
        alone, message = tiny.alone(request)
        count = cut_short.get(str(name), len(alone))
        assert given_by(outputs[str(name)]) == given_by(alone)[:count]
        assert str(name) in cut_short or failures.get(str(name), "") == message
    assert is_whole(engine)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_drafts_that_come_take_fewer_steps_and_are_counted(tiny: Tiny, temperature: float) -> None:
    request = Request(tuple(PREFIX), SamplingParams(60, temperature=temperature), None, Priority.ONLINE, 0, None)
    coming = [output.token_id for output in tiny.alone(request)[0]]
    engine = tiny.engine(ForeseeingDrafter({"it": coming}, seed=1))
    tiny.submit(engine, "it", request)
    results: list[StepResult] = []
    while engine.has_work:
        results.append(engine.step())
    num_drafts, num_draft_tokens, num_accepted_tokens = map(sum, zip(*(it.spec_decode for it in results), strict=True))
    assert sum(len(result.outputs) for result in results) == 60
    assert num_accepted_tokens == 60 - len(results)
    assert 0 < num_drafts < len(results) < 25
    assert num_draft_tokens > num_accepted_tokens


def test_what_a_completion_shares_with_the_next_turn_holds_only_tokens_that_came(tiny: Tiny) -> None:
    request = Request(tuple(PREFIX), SamplingParams(60), None, Priority.ONLINE, 0, None)
    coming = [output.token_id for output in tiny.alone(request)[0]]
    engine = tiny.engine(ForeseeingDrafter({"it": coming, "next": []}, seed=2))
    tiny.submit(engine, "it", request)
    finish(engine)
    following = Request((*PREFIX, *coming, 9), SamplingParams(20), None, Priority.ONLINE, 0, None)
    tiny.submit(engine, "next", following)
    outputs = finish(engine)
    assert outputs[0].num_cached_tokens == 96
    assert tokens_of(outputs, "next") == tokens_of(tiny.alone(following)[0], "it")


def test_a_text_that_goes_round_is_drafted_by_prompt_lookup(checkpoint: Any) -> None:
    model = load_model(checkpoint("llama"), "cpu", "float32")
    prompt, params = [5, 6, 7], SamplingParams(60, allowed_token_ids=(5, 6, 7))
    drafting = engine_on_a_copy(model, speculative=Speculative.AUTO)
    plain = engine_on_a_copy(model)
    for engine in (drafting, plain):
        engine.submit("it", prompt, params)
    assert finish(drafting) == finish(plain)
    assert drafting.scheduler.spec_decode.num_accepted_tokens > 10
    assert plain.scheduler.spec_decode.num_drafts == 0
