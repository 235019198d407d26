"""Choices are kept for the next start, each for what it depends on, and no more of them than are of use."""

import fcntl
import os
import time
from pathlib import Path

import pytest

from service.engine.trials.kept import KeptChoices, default_folder
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.choices import Choices, TrialOutcome, Tried

FACTS = {"processor": "x", "matrices": [(3, 2, 1, True)], "dtype": "float32"}
CHOICES = Choices(
    products="onednn",
    num_threads=2,
    accelerations=frozenset({Acceleration.OVERLAP, Acceleration.FLEX}),
    graphs_bytes=7,
    tried=(
        Tried("products", "onednn", TrialOutcome.USED, times_us=((1, 0.5), (16, 2.0))),
        Tried("products", "fbgemm", TrialOutcome.WRONG, "by 0.5", graphs_bytes=(5, 6)),
        Tried("prefill", "flex", TrialOutcome.USED, times_us=((512, 9.0),)),
    ),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kept = KeptChoices(tmp_path / "new")
    assert kept.read(FACTS) is None
    kept.write(FACTS, CHOICES)
    assert kept.read(FACTS) == CHOICES
    assert kept.read({**FACTS, "dtype": "bfloat16"}) is None
    assert len(list((tmp_path / "new").iterdir())) == 1, "no draft is left"


@pytest.mark.parametrize("content", ["", "{}", "[]", "{", '{"format": 1}', "\x00\xff"])
def test_what_can_not_be_read_is_as_if_it_were_not_there(tmp_path: Path, content: str) -> None:
    kept = KeptChoices(tmp_path)
    kept.write(FACTS, CHOICES)
    (path,) = tmp_path.iterdir()
    path.write_text(content)
    assert kept.read(FACTS) is None


def test_a_choice_of_ways_that_are_not_known_any_more_is_not_read(tmp_path: Path) -> None:
    kept = KeptChoices(tmp_path)
    kept.write(FACTS, CHOICES)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text().replace('"overlap"', '"dropped"'))
    assert kept.read(FACTS) is None


def test_an_old_choice_is_made_again(tmp_path: Path) -> None:
    kept = KeptChoices(tmp_path)
    kept.write(FACTS, CHOICES)
    (path,) = tmp_path.iterdir()
    long_ago = time.time() - 100 * 86_400
    os.utime(path, (long_ago, long_ago))
    assert kept.read(FACTS) is None
    kept.write({"other": 1}, CHOICES)
    assert not path.exists()


def test_a_choice_for_which_there_was_no_time_is_made_again_sooner(tmp_path: Path) -> None:
    kept, part = KeptChoices(tmp_path), Choices(tried=(Tried("products", "onednn", TrialOutcome.UNTRIED),))
    kept.write(FACTS, part)
    assert kept.read(FACTS) == part
    (path,) = tmp_path.iterdir()
    days_ago = time.time() - 2 * 86_400
    os.utime(path, (days_ago, days_ago))
    assert kept.read(FACTS) is None


def test_the_oldest_of_too_many_go(tmp_path: Path) -> None:
    kept = KeptChoices(tmp_path)
    for number in range(70):
        kept.write({"number": number}, CHOICES)
        path = max(tmp_path.iterdir(), key=lambda it: it.stat().st_mtime_ns)
        age_s = 1000 - number
        os.utime(path, (time.time() - age_s, time.time() - age_s))
    assert len(list(tmp_path.iterdir())) <= 64
    assert kept.read({"number": 0}) is None
    assert kept.read({"number": 69}) == CHOICES


def test_one_process_at_a_time_tries(tmp_path: Path) -> None:
    with KeptChoices(tmp_path).alone(), (tmp_path / "lock").open("w") as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with KeptChoices(tmp_path).alone():
        pass


def test_they_are_in_the_users_cache(tmp_path: Path) -> None:
    assert default_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "runstream" / "choices"
    assert default_folder({}) == Path.home() / ".cache" / "runstream" / "choices"
