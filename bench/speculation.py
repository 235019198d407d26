"""Speculative decoding by prompt lookup beside none, on a real model: how many tokens a second, of texts that repeat
themselves and of texts that don't, alone and in company; and what a step of more rows costs.

    python -m bench.speculation [--model smollm2] [--dtype bfloat16] [--rounds N] [--tokens N]

It needs the weights of a model that thinks in words: acceptance by random ones would mean nothing. `python -m service
pull smollm2` fetches those. Rounds are interleaved; tables give medians. Time is that from the first token to the last.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from bench import machine
from bench.engine.load import new_salt
from bench.repeating_texts import ASKED, REPEATING
from bench.report import Report, Spread, interleave, ratio, ratio_table, table
from service.catalog import load_catalog
from service.checkpoints.locate import locate
from service.checkpoints.tokenizer import load_tokenizer, read_end_token_ids
from service.engine.engine import Engine
from service.engine.forward.model_runner import ModelRunner
from service.engine.process.loading import load_runner
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence as EngineSequence
from service.engine.startup.build import StartedRunner, make_engine
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig, num_blocks_for
from service.engine_protocol.sampling_params import SamplingParams
from service.engine_protocol.speculative import SpecDecode, Speculative

WITHOUT, WITH = "without", "with"
COMPANY = "four at once, two of which repeat"
MISLEADING = "eight tokens at random: each pair has stood before, and what follows differs"
ROWS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Case:
    """Prompts that are answered at once, and how."""

    prompts: tuple[tuple[int, ...], ...]
    params: SamplingParams


@dataclass(frozen=True)
class Decoded:
    """What came after the first tokens, and how long that took."""

    tokens: tuple[int, ...]
    duration_s: float
    drafted: SpecDecode

    @property
    def tokens_per_s(self) -> float:
        return len(self.tokens) / self.duration_s


def run(started: StartedRunner, config: EngineConfig, cases: dict[str, Case], rounds: int) -> Report:
    """Measures each case with and without drafts, and compares the tokens."""
    engines = {
        WITHOUT: make_engine(started, config),
        WITH: make_engine(started, replace(config, speculative=Speculative.NGRAM)),
    }
    runs = {
        f"{name} {way}": lambda engine=engine, case=case: decode(engine, case)
        for name, case in cases.items()
        for way, engine in engines.items()
    }
    results = interleave(runs, rounds)
    rates = {name: [each.tokens_per_s for each in found] for name, found in results.items()}
    rows, ratios = [], {}
    for name in cases:
        plain, drafting = results[f"{name} {WITHOUT}"], results[f"{name} {WITH}"]
        assert plain[0].tokens == drafting[0].tokens, "drafts change nothing but the time"
        medians = [f"{Spread.of(rates[f'{name} {way}']).median:.0f}" for way in engines]
        drafted = drafting[0].drafted
        rows.append([name, str(len(plain[0].tokens)), *medians, *map(str, drafted[1:])])
        ratios[name] = (ratio(rates[f"{name} {WITH}"], rates[f"{name} {WITHOUT}"]), "")
    headings = ["", "tokens", "tokens/s without", "with", "drafted", "of these came"]
    tables = [table(headings, rows), ratio_table(ratios), step_table(started.runner)]
    note = f"{started.info.dtype} on {started.info.device}; the tokens are equal with and without."
    return Report("Speculative decoding by prompt lookup", note, tables, {"tokens_per_s": rates})


def decode(engine: Engine, case: Case) -> Decoded:
    """Answers a case's prompts."""
    for place, prompt in enumerate(case.prompts):
        engine.submit(str(place), list(prompt), case.params, cache_salt=new_salt())
    tokens: list[tuple[str, int]] = []
    drafted, begun_at = SpecDecode(), 0.0
    while engine.has_work:
        result = engine.step()
        if not begun_at:
            begun_at = time.perf_counter()
            continue
        tokens += [(output.id, output.token_id) for output in result.outputs]
        drafted = drafted.with_more(result.spec_decode)
    duration_s = time.perf_counter() - begun_at
    in_order = sorted(tokens, key=lambda token: token[0])
    return Decoded(tuple(token_id for _, token_id in in_order), duration_s, drafted)


def step_table(runner: ModelRunner, num_steps: int = 15, num_before: int = 300) -> str:
    """What a step of one sequence costs by the number of its rows, behind 300 tokens: the least of some."""
    times_s: dict[int, list[float]] = {num_rows: [] for num_rows in ROWS}
    for _ in range(num_steps):
        for num_rows in ROWS:
            item = _rows(num_before, num_rows)
            begun_at = time.perf_counter()
            runner.logits([item])
            times_s[num_rows].append(time.perf_counter() - begun_at)
    least = [min(times_s[num_rows]) for num_rows in ROWS]
    cells = [f"{time_s * 1e3:.2f}" for time_s in least]
    costs = ["", *(f"{(it / least[0] - 1) / (rows - 1):.2f}" for it, rows in zip(least[1:], ROWS[1:], strict=True))]
    return table(["rows", *map(str, ROWS)], [["ms", *cells], ["part of one row's step that each more costs", *costs]])


def _rows(num_before: int, num_rows: int) -> ScheduledSequence:
    count = num_before + num_rows
    sequence = EngineSequence("rows", [5] * count, count, SamplingParams(1))
    sequence.num_computed_tokens, sequence.block_table = num_before, list(range(num_blocks_for(count)))
    assert count < len(sequence.block_table) * BLOCK_SIZE + 1
    return ScheduledSequence(sequence, num_rows)


def cases_of(tokenizer: object, ends: frozenset[int], num_tokens: int) -> dict[str, Case]:
    """The texts one after the other, at temperature 0 and with a seed; four at once; and what misleads most."""
    prompts = {name: _prompt(tokenizer, asked) for name, asked in ASKED.items()}
    greedy = SamplingParams(num_tokens, eos_token_ids=ends)
    seeded = replace(greedy, temperature=0.7, seed=1)
    cases = {name: Case((prompt,), greedy) for name, prompt in prompts.items()}
    cases |= {f"{name}, temperature 0.7": Case((prompts[name],), seeded) for name in REPEATING[:1]}
    cases[COMPANY] = Case(tuple(prompts.values())[:4], greedy)
    few = prompts[REPEATING[0]][30:38]
    random = SamplingParams(num_tokens, temperature=100.0, seed=1, allowed_token_ids=few)
    return cases | {MISLEADING: Case((tuple(prompts.values())[-1],), random)}


def _prompt(tokenizer: object, asked: str) -> tuple[int, ...]:
    messages = [{"role": "user", "content": asked}]
    ids: Sequence[int] = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)  # type: ignore[attr-defined]
    return tuple(ids)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2", help="a model of the catalog whose weights are here")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=150, help="the most of each answer")
    options = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = locate(load_catalog()[options.model])
    config = EngineConfig(checkpoint, dtype=options.dtype, max_num_seqs=8)
    started = load_runner(config, lambda message: None)
    cases = cases_of(load_tokenizer(checkpoint), frozenset(read_end_token_ids(checkpoint)), options.tokens)
    host, watch = machine.describe("cpu"), machine.Watch()
    print(f"{host.line()}\n")
    report = run(started, config, cases, options.rounds)
    print(report.markdown(machine.warning(host.load_average[0], watch.cores_of_others())))


if __name__ == "__main__":
    main()
