"""Whatever a way does to the process that tries it, the others are tried, and the quickest right one is used."""

import itertools
from pathlib import Path

import pytest

from service.engine.trials.questions import Question, TrialLimits, Trials, with_quickest
from service.engine_protocol.choices import TrialOutcome, Tried
from tests.support.trial_programs import write_program

LONG = TrialLimits(each_s=120.0, all_s=600.0)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return write_program(tmp_path)


def ask(program: Path, *ways: str, limits: TrialLimits = LONG) -> dict[str, Tried]:
    with Trials(program, limits) as trials:
        return {it.way: it for it in trials.ask_all(Question("products", way, {}) for way in ways)}


def test_ways_that_crash_fail_or_are_wrong_are_told_and_the_others_tried(program: Path) -> None:
    tried = ask(program, "quick", "crash", "segfault", "wrong", "failed", "slow")
    assert tried["quick"].times_us == ((1, 10.0), (16, 20.0))
    assert tried["slow"].times_us == ((1, 1000.0), (16, 2000.0))
    assert tried["crash"] == Tried("products", "crash", TrialOutcome.FAILED, "its process ended")
    assert tried["segfault"].outcome is TrialOutcome.FAILED
    assert tried["wrong"] == Tried("products", "wrong", TrialOutcome.WRONG, "by 0.5")
    assert tried["failed"] == Tried("products", "failed", TrialOutcome.FAILED, "no such operator")


def test_a_way_that_never_comes_back_is_ended_with_its_process(program: Path) -> None:
    tried = ask(program, "hang", limits=TrialLimits(each_s=0.5, all_s=600.0))
    assert tried["hang"] == Tried("products", "hang", TrialOutcome.TOO_LONG, "0.5 s are allowed")


def test_after_the_time_for_all_nothing_more_is_tried(program: Path) -> None:
    seconds = itertools.count(step=10)
    with Trials(program, TrialLimits(each_s=120.0, all_s=25.0), clock=lambda: next(seconds)) as trials:
        tried = trials.ask_all(Question("products", way, {}) for way in ("quick", "slow", "failed"))
    assert [it.outcome for it in tried] == [TrialOutcome.SLOWER, TrialOutcome.SLOWER, TrialOutcome.UNTRIED]


@pytest.mark.parametrize("way", ["gibberish", "no times", "no numbers", "nothing", "infinite"])
def test_an_answer_that_is_none_is_a_failure(program: Path, way: str) -> None:
    assert ask(program, way)[way].outcome is TrialOutcome.FAILED


def test_progress_tells_how_many_are_tried(program: Path) -> None:
    told: list[tuple[int, int]] = []
    with Trials(program, LONG, lambda done, total: told.append((done, total))) as trials:
        trials.ask_all(Question("products", way, {}) for way in ("quick", "crash"))
        trials.ask_all([Question("threads", "quick", {})])
    assert told == [(1, 2), (2, 2), (3, 3)]


def timed(way: str, *times_us: float) -> Tried:
    return Tried("products", way, TrialOutcome.SLOWER, times_us=tuple(zip((1, 16), times_us, strict=True)))


def test_the_quickest_over_all_numbers_of_rows_is_used() -> None:
    way, tried = with_quickest([timed("first", 10, 100), timed("second", 9, 80), timed("third", 5, 200)])
    assert way == "second"
    assert [it.outcome for it in tried] == [TrialOutcome.SLOWER, TrialOutcome.USED, TrialOutcome.SLOWER]


def test_a_gain_that_may_be_chance_changes_nothing() -> None:
    assert with_quickest([timed("preferred", 10, 100), timed("other", 9.9, 99)])[0] == "preferred"


def test_where_none_is_right_none_is_used() -> None:
    wrong = Tried("products", "onednn", TrialOutcome.WRONG, "by 0.5")
    assert with_quickest([wrong]) == ("", [wrong])
