"""The parts of a visit to a GPU."""

from pathlib import Path

from bench.gpu.cases import CASES
from bench.gpu.plan import SomeJob
from bench.gpu.visit.parts import Parts
from bench.gpu.visit.state import Found, State
from bench.roofline import Measurement


def row_jobs(folder: Path, state: State) -> dict[str, SomeJob]:
    jobs = {part.name: part.job(state) for part in Parts("cuda", False, folder).all()}
    return {name: job for name, job in jobs.items() if isinstance(job, SomeJob)}


def test_each_row_of_the_table_is_measured(tmp_path: Path) -> None:
    jobs = row_jobs(tmp_path, State(tmp_path, is_tiny=False))
    assert {case for job in jobs.values() for case in job.cases} == set(CASES)


def test_rows_are_measured_with_what_the_trials_chose(tmp_path: Path) -> None:
    state = State(tmp_path, is_tiny=False)
    state.add(Found("accelerations", ["attention", "graphs"]))
    jobs = row_jobs(tmp_path, state)
    assert (jobs["plain"].way, jobs["auto"].way) == ("plain", "auto: attention graphs")
    assert jobs["served"].way == jobs["mixed"].way == jobs["auto"].way
    assert jobs["awq"].way == "attention linears graphs"


def test_what_has_a_row_is_not_measured_again(tmp_path: Path) -> None:
    state = State(tmp_path, is_tiny=False)
    first, second = row_jobs(tmp_path, state)["plain"].cases
    state.add(Measurement(first.name, "plain", [0.01]))
    assert row_jobs(tmp_path, state)["plain"].cases == (second,)


def test_the_first_call_has_what_tells_most(tmp_path: Path) -> None:
    names = [part.name for part in Parts("cuda", False, tmp_path).all()]
    assert names[:8] == ["environment", "ceilings", "tests", "plain", "ways", "auto", "profile-auto", "profile-plain"]
    assert len(set(names)) == len(names)
