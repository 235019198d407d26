"""The benchmark of drafts runs, on a tiny model."""

from pathlib import Path

from bench.repeating_texts import ASKED, REPEATING
from bench.speculation import Case, run
from service.engine.startup.build import start_runner
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import tiny_model


def test_each_case_is_measured_with_drafts_and_without() -> None:
    config = EngineConfig(Path("unused"))
    started = start_runner(tiny_model(), config, 64)
    round_and_round = SamplingParams(30, allowed_token_ids=(5, 6, 7))
    report = run(started, config, {"a loop": Case(((5, 6, 7),), round_and_round)}, rounds=1)
    assert report.tables[0].splitlines()[2].startswith("| a loop | 29 |")
    assert all(min(rates) > 0 for rates in report.figures["tokens_per_s"].values())
    assert len(report.tables) == 3


def test_the_texts_that_repeat_are_among_those_asked_for() -> None:
    assert set(REPEATING) < set(ASKED)
