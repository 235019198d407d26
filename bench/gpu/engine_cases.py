"""Cases that need the engine alone: how long its steps take, and how much it gives."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from transformers import PreTrainedModel

from bench.engine.load import Load, TimedRequest, all_at_once, new_salt, outputs_of, over_time, random_prompt, serve
from bench.engine.peer import TUNED, peer_config, running_manager, serve_with_manager
from bench.gpu.cases import Case, Kind
from service.engine.engine import Engine
from service.engine_protocol.sampling_params import SamplingParams

NUM_STEPS = 24
"""How many decoding steps are measured, after those that warm up."""

_NUM_WARM_UP_STEPS = 6
_MAX_DECODED = 192
"""The first sequence goes on decoding while the last one still prefills."""

_NUM_PREFILLS = 20
_NUM_WARM_UP_PREFILLS = 3
_PEER_MAX_BATCH_TOKENS, _PEER_MAX_REQUESTS = 256, 8  # on the CPU, as bench.engine has them
_LEAST_PROMPT = 8
NUM_STREAM_ROUNDS = 5


def num_kv_tokens(case: Case) -> int:
    """Room that a case needs in the KV cache."""
    if case.kind is Kind.MIXED:
        return sum(request.num_tokens for request in mixed_load(case))
    return case.num_sequences * (case.num_tokens + _MAX_DECODED)


def measure(engine: Engine, case: Case) -> list[float]:
    """What `Case.kind` says, of each repetition."""
    measures: dict[Kind, Callable[[Engine, Case], list[float]]] = {
        Kind.DECODE: decode_steps_s,
        Kind.PREFILL: prefills_s,
        Kind.MIXED: mixed_rate,
        Kind.SERVING: streams_rates,
        Kind.LATENCY: prefills_s,
    }
    return measures[case.kind](engine, case)


def decode_steps_s(engine: Engine, case: Case) -> list[float]:
    """Seconds of each step in which all sequences decode, from one token's arrival on the host to the next one's."""
    steps_s: list[float] = []
    with begun_decoding(engine, case):
        while len(steps_s) < NUM_STEPS + _NUM_WARM_UP_STEPS:
            begun_at = time.perf_counter()
            if len(outputs_of(engine)) == case.num_sequences:
                steps_s.append(time.perf_counter() - begun_at)
            elif not engine.has_work:
                raise RuntimeError("requests failed or ended before they were measured")
    return steps_s[_NUM_WARM_UP_STEPS:]


@contextmanager
def begun_decoding(engine: Engine, case: Case) -> Iterator[None]:
    """A case's sequences have all begun to decode, and end afterwards.

    Raises:
        RuntimeError: Requests ended before all had begun.
    """
    length = max(_LEAST_PROMPT, case.num_tokens - (NUM_STEPS + _NUM_WARM_UP_STEPS) // 2)
    source, salt = random.Random(0), new_salt()
    for number in range(case.num_sequences):
        prompt = random_prompt(source, length, engine.info.vocab_size)
        engine.submit(str(number), prompt, SamplingParams(_MAX_DECODED - _LEAST_PROMPT), cache_salt=salt)
    begun: set[str] = set()
    while len(begun) < case.num_sequences:
        if not engine.has_work:
            raise RuntimeError("requests failed or ended before they were measured")
        begun.update(output.id for output in outputs_of(engine))
    yield
    for number in range(case.num_sequences):
        engine.abort(str(number))
    while engine.has_work:
        outputs_of(engine)


def prefills_s(engine: Engine, case: Case) -> list[float]:
    """Seconds from prompts to the first token of each of them."""
    source = random.Random(0)
    prompts = [random_prompt(source, case.num_tokens, engine.info.vocab_size) for _ in range(case.num_sequences)]
    taken_s = [_prefill_s(engine, prompts) for _ in range(_NUM_WARM_UP_PREFILLS + _NUM_PREFILLS)]
    return taken_s[_NUM_WARM_UP_PREFILLS:]


def _prefill_s(engine: Engine, prompts: list[list[int]]) -> float:
    salt, begun_at = new_salt(), time.perf_counter()
    for number, prompt in enumerate(prompts):
        engine.submit(str(number), prompt, SamplingParams(1), cache_salt=salt)
    while engine.has_work:
        outputs_of(engine)
    return time.perf_counter() - begun_at


def streams_rates(engine: Engine, case: Case) -> list[float]:
    """Tokens per second of requests that come at once, all of one size, from the first prompt to the last token."""
    source = random.Random(0)
    rates = []
    for _ in range(1 + NUM_STREAM_ROUNDS):
        prompts = [random_prompt(source, case.num_tokens, engine.info.vocab_size) for _ in range(case.num_sequences)]
        rates.append(serve(engine, [TimedRequest(prompt, case.num_new_tokens) for prompt in prompts]).rate)
    return rates[1:]


def mixed_load(case: Case) -> Load:
    """Requests of all lengths that come at once, the same in every process."""
    bounds = (max(2, case.num_tokens // 32), case.num_tokens), (max(2, case.num_new_tokens // 16), case.num_new_tokens)
    return over_time(case.shape.vocab_size, case.num_sequences, *bounds, span_s=0.0)


def mixed_rate(engine: Engine, case: Case) -> list[float]:
    """Tokens per second over a whole load, once: it takes too long to be repeated."""
    serve(engine, all_at_once(case.shape.vocab_size, min(16, case.num_sequences), 8))
    return [serve(engine, mixed_load(case)).rate]


def peer_rate(model: PreTrainedModel, case: Case, device: str) -> list[float]:
    """The same load through transformers' continuous batching."""
    load = mixed_load(case)
    config = peer_config(TUNED, device, load, _PEER_MAX_BATCH_TOKENS, _PEER_MAX_REQUESTS)
    with running_manager(model, config) as manager:
        serve_with_manager(manager, all_at_once(case.shape.vocab_size, min(16, case.num_sequences), 8))
        return [serve_with_manager(manager, load).rate]
