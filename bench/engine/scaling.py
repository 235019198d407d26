"""How the engine's step grows with the number of sequences."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bench.engine.load import Load, Setup, all_at_once, new_salt, outputs_of, submit
from bench.report import Report, Spread, interleave, table
from service.engine.engine import Engine


@dataclass(frozen=True)
class Run:
    """What a number of sequences took.

    Attributes:
        duration_s: From the first prompt to the last token.
        decode_steps_s: The steps in which all of them decoded.
    """

    duration_s: float
    decode_steps_s: list[float]


def run(setup: Setup, counts: Sequence[int] = (1, 4, 16, 64, 256), num_new_tokens: int = 64) -> Report:
    """Measures each number of sequences, all of which begin at once."""
    engine = setup.make_engine()
    loads = {str(count): all_at_once(engine.info.vocab_size, count, num_new_tokens) for count in counts}
    results = interleave({name: partial(measure, engine, load) for name, load in loads.items()}, setup.rounds)
    rates = {
        name: [int(name) * num_new_tokens / taken.duration_s for taken in rounds] for name, rounds in results.items()
    }
    steps_ms = {
        name: [Spread.of(taken.decode_steps_s).median * 1e3 for taken in rounds] for name, rounds in results.items()
    }
    least = Spread.of(steps_ms[str(counts[0])]).median
    rows = []
    for name in loads:
        step_ms = Spread.of(steps_ms[name])
        growth = [f"{step_ms.median / least:.2f}", f"{step_ms.median / int(name):.3f}"]
        rows.append([name, *Spread.of(rates[name]).cells(), *step_ms.cells(2), *growth])
    headings = ["sequences", "tokens/s, median", "min", "max", "decoding step, ms, median", "min", "max"]
    headings += [f"by that of {counts[0]}", "ms for each sequence"]
    note = (
        f"Prompts of 16 to 128 tokens (64 for a single one), {num_new_tokens} new tokens each; rates are with prefill."
    )
    figures = {"tokens_per_s": rates, "decode_step_ms": steps_ms}
    return Report("One engine, many sequences", note, [table(headings, rows)], figures)


def measure(engine: Engine, load: Load) -> Run:
    """Serves a load whose requests all begin at once."""
    decode_steps_s, salt, are_all_begun = [], new_salt(), False
    begun_at = time.perf_counter()
    for place, request in enumerate(load):
        submit(engine, place, request, salt)
    while engine.has_work:
        step_begun_at = time.perf_counter()
        does_all = len(outputs_of(engine)) == len(load)
        if are_all_begun and does_all:
            decode_steps_s.append(time.perf_counter() - step_begun_at)
        are_all_begun = are_all_begun or does_all
    return Run(time.perf_counter() - begun_at, decode_steps_s)
