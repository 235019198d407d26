"""The file of what a visit has found, which the next call reads."""

from pathlib import Path

import pytest

from bench.gpu.visit.state import STATE, Found, Outcome, State, cut_files
from bench.roofline import Measurement, Rates


def test_the_next_call_knows_what_the_first_has_found(tmp_path: Path) -> None:
    first = State(tmp_path, is_tiny=False)
    for result in (Measurement("a", "plain", [1.0]), Rates(2.0, 3.0), Found("tests", {"name": "t"})):
        first.add(result)
    first.add(Found("accelerations", ["overlap"]))
    first.add_outcome("part", Outcome.DONE, 1.0, "")
    first.add_outcome("other", Outcome.CUT, 1.0, "")
    second = State(tmp_path, is_tiny=False, before=(tmp_path / STATE).read_text())
    assert (second.measurements, second.found) == (first.measurements, first.found)
    assert (second.measured("plain"), second.tested()) == ({"a"}, ("t",))
    assert [second.is_over(name) for name in ("part", "other", "third")] == [True, False, False]


@pytest.mark.parametrize("before", ["[]", "{}", '{"is_tiny": true}', "gibberish"])
def test_what_is_no_state_of_such_a_visit_is_refused(tmp_path: Path, before: str) -> None:
    with pytest.raises(ValueError, match=r"another kind of visit|Expecting value"):
        State(tmp_path, is_tiny=False, before=before)


def test_long_texts_keep_their_beginning_and_their_end(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("begin" + "." * 5000 + "end")
    (tmp_path / "short").write_text("whole")
    cut_files([tmp_path / "long", tmp_path / "short", tmp_path / "none"], max_bytes=1000)
    cut = (tmp_path / "long").read_text()
    assert len(cut) == 1000
    assert cut.startswith("begin.")
    assert cut.endswith(".end")
    assert "[... cut ...]" in cut
    assert (tmp_path / "short").read_text() == "whole"
