"""What the prefix cache saves when requests begin alike."""

import random
import time
from dataclasses import dataclass

from bench.engine.load import Setup, new_salt, outputs_of, random_prompt
from bench.report import Report, Spread, interleave, ratio, ratio_table, table
from service.engine.engine import Engine
from service.engine_protocol.messages import StepOutput
from service.engine_protocol.sampling_params import SamplingParams

WITHOUT = "each prompt on its own"
EMPTY = "prefix cache, empty at first"
WARM = "prefix cache, a request with the prefix before"


@dataclass(frozen=True)
class Prefill:
    """How long all first tokens took, and how many prompt tokens came from the cache."""

    duration_s: float
    num_cached_tokens: int


def run(setup: Setup, num_requests: int = 32, num_shared_tokens: int = 400, num_own_tokens: int = 32) -> Report:
    """Measures the prefill of requests that come at once and share their first tokens."""
    engine = setup.make_engine()
    source = random.Random(0)
    shared, first, *others = (
        random_prompt(source, length, engine.info.vocab_size)
        for length in [num_shared_tokens, *[num_own_tokens] * (num_requests + 1)]
    )
    prompts = [shared + own for own in others]

    def without() -> Prefill:
        return prefill(engine, prompts, [new_salt() for _ in prompts])

    def empty() -> Prefill:
        return prefill(engine, prompts, [new_salt()] * len(prompts))

    def warm() -> Prefill:
        salt = new_salt()
        prefill(engine, [shared + first], [salt])
        return prefill(engine, prompts, [salt] * len(prompts))

    results = interleave({WITHOUT: without, EMPTY: empty, WARM: warm}, setup.rounds)
    times_s = {name: [taken.duration_s for taken in rounds] for name, rounds in results.items()}
    cached = {name: [taken.num_cached_tokens for taken in rounds] for name, rounds in results.items()}
    rows = [
        [name, *Spread.of([each * 1e3 for each in times_s[name]]).cells(1), *Spread.of(cached[name]).cells()[:1]]
        for name in results
    ]
    headings = ["", "prefill, ms, median", "min", "max", "prompt tokens from the cache"]
    ratios = {f"{name} / {WITHOUT}": (ratio(times_s[name], times_s[WITHOUT]), "0.33") for name in (EMPTY, WARM)}
    note = (
        f"{num_requests} requests at once, whose prompts share {num_shared_tokens} tokens and have {num_own_tokens} of "
        f"their own, {sum(map(len, prompts))} tokens in all; until the last one has its first token."
    )
    tables = [table(headings, rows), ratio_table(ratios)]
    return Report("Shared prefix", note, tables, {"prefill_s": times_s, "num_cached_tokens": cached})


def prefill(engine: Engine, prompts: list[list[int]], salts: list[str]) -> Prefill:
    """Lets every prompt have its first token; prompts of different salts share nothing."""
    begun_at = time.perf_counter()
    for place, (prompt, salt) in enumerate(zip(prompts, salts, strict=True)):
        engine.submit(str(place), prompt, SamplingParams(max_tokens=1), cache_salt=salt)
    outputs: list[StepOutput] = []
    while engine.has_work:
        outputs += outputs_of(engine)
    return Prefill(time.perf_counter() - begun_at, sum(output.num_cached_tokens for output in outputs))
