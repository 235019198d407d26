"""The command, on the smallest fleets."""

import json

import pytest

from bench.fleet.__main__ import main
from bench.fleet.policies import POLICIES


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """What a run left and showed: the file of its figures, the folder of its plots, and the standard output."""
    folder = tmp_path_factory.mktemp("fleet")
    with pytest.MonkeyPatch.context() as patch, (folder / "shown").open("w+") as shown:
        patch.setattr("sys.stdout", shown)
        main(["--quick", "--json", str(folder / "fleet.json"), "--plots", str(folder / "plots")])
    return folder


def test_it_prints_tables_keeps_the_figures_and_draws_them(first):
    shown = (first / "shown").read_text()
    rows = json.loads((first / "fleet.json").read_text())
    assert {row["scenario"]["policy"] for row in rows} == set(POLICIES)
    assert [line for line in shown.splitlines() if line.startswith("### ")] == ["### Load", "### Size", "### Faults"]
    assert shown.count("\n| ") == len(rows) + 3
    for name in ("fleet-load.svg", "fleet-size.svg"):
        assert "<svg" in (first / "plots" / name).read_text()


def test_it_goes_on_from_the_cases_that_are_in_the_file(first, tmp_path, capsys):
    rows = json.loads((first / "fleet.json").read_text())
    (tmp_path / "half.json").write_text(json.dumps(rows[:4]))
    main(["--quick", "--json", str(tmp_path / "half.json")])
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == len(rows) - 4
    assert told.out == (first / "shown").read_text()
    assert (tmp_path / "half.json").read_text() == (first / "fleet.json").read_text()
