"""The command, on the smallest fleets."""

import json

from bench.fleet.__main__ import main
from bench.fleet.policies import POLICIES


def test_it_prints_tables_keeps_the_figures_and_draws_them(tmp_path, capsys):
    main(["--quick", "--json", str(tmp_path / "fleet.json"), "--plots", str(tmp_path / "plots")])
    shown = capsys.readouterr().out
    rows = json.loads((tmp_path / "fleet.json").read_text())
    assert {row["policy"] for row in rows} == set(POLICIES)
    assert [line for line in shown.splitlines() if line.startswith("### ")] == ["### Load", "### Size", "### Faults"]
    assert shown.count("\n| ") == len(rows) + 3
    for name in ("fleet-load.svg", "fleet-size.svg"):
        assert "<svg" in (tmp_path / "plots" / name).read_text()
