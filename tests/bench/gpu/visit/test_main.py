"""The rehearsal of a visit to a GPU: both calls on the CPU, with tiny models."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import roofline
from bench.gpu.cases import CASES, SERVED
from bench.gpu.visit import __main__ as visit
from bench.gpu.visit.state import STATE

SCRIPT = Path(visit.__file__).parents[1] / "visit.sh"
LIMIT_S = "800"


def call(folder: Path, *options: str) -> dict[str, Any]:
    """Makes a call with the script; what it has found."""
    done = subprocess.run(
        [SCRIPT, folder, "--tiny", "--limit-s", LIMIT_S, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    files = list(folder.iterdir())
    assert len(files) <= 8
    assert all(file.is_file() and file.stat().st_size < 16 << 20 for file in files)
    found: dict[str, Any] = json.loads((folder / STATE).read_text())
    assert {(each["outcome"], each["detail"]) for each in found["parts"]} == {("done", "")}
    return found


@pytest.mark.timeout(1700)
def test_two_calls_find_all_but_what_is_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = call(tmp_path / "first", "--until", "profile-plain")
    assert {one["outcome"] for one in first["tests"]} == {"passed"}
    assert {one["way"] for one in first["ways"]} >= {"plain", "overlap", "attention", "sdpa"}
    assert {one["way"].partition(":")[0] for one in first["profiles"]} == {"plain", "auto"}
    assert all(one["num_kernels"] > 0 and one["kernels"] for one in first["profiles"])
    second = call(tmp_path / "second", "--state", str(tmp_path / "first" / STATE), "--until", "generate-batch")
    assert second["measurements"][: len(first["measurements"])] == first["measurements"]
    assert second["tests"][: len(first["tests"])] == first["tests"]
    assert (second["ways"], second["profiles"]) == (first["ways"], first["profiles"])
    assert {one["case"] for one in second["measurements"]} == {case.name for case in CASES if case not in SERVED}
    roofline.main([str(tmp_path / "second" / STATE)])
    lines = capsys.readouterr().out.splitlines()
    not_measured = {case.name for case in CASES if any(f"| {case.name} |  | not measured" in line for line in lines)}
    assert not_measured == {case.name for case in SERVED}


@pytest.mark.stress
@pytest.mark.timeout(1700)
def test_what_is_served_is_found_too(tmp_path: Path) -> None:
    found = call(tmp_path)
    assert {one["case"] for one in found["measurements"] if one["values"]} == {case.name for case in CASES}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the folder"),
        (["found", "--device", "cpu"], "add --tiny"),
    ],
)
def test_what_can_not_be_begun_is_said(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OUT", raising=False)
    with pytest.raises(SystemExit):
        visit.main(arguments)
    assert message in capsys.readouterr().err


def test_a_part_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="nowhere"):
        visit.main([str(tmp_path), "--tiny", "--until", "nowhere"])
