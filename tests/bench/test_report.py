"""Rounds, spreads and tables."""

from functools import partial

from bench.report import Report, Spread, interleave, ratio, ratio_table, table


def test_rounds_are_interleaved_and_the_first_is_not_kept():
    calls: list[str] = []

    def call(name: str) -> int:
        calls.append(name)
        return len(calls)

    results = interleave({name: partial(call, name) for name in ("ours", "theirs")}, rounds=2)
    assert calls == ["ours", "theirs"] * 3
    assert results == {"ours": [3, 5], "theirs": [4, 6]}


def test_a_ratio_is_the_median_of_each_rounds_own():
    assert ratio([2, 30, 8], [1, 10, 8]) == Spread(2, 1, 3), "not the ratio of medians, which is 1"


def test_a_table_is_markdown():
    assert table(["", "a"], [["x", "1"], ["y", "2"]]) == "|  | a |\n|---|---|\n| x | 1 |\n| y | 2 |"


def test_a_table_of_ratios_has_their_goals():
    rows = ratio_table({"ours / theirs": (Spread(2.5, 2, 3), "2.5")}).splitlines()
    assert rows[-1] == "| ours / theirs | 2.50 | 2.00 | 3.00 | 2.5 |"


def test_a_report_has_its_warning_above_its_figures():
    report = Report("Title", "note " * 40, ["| a |"], {})
    assert report.markdown("**Not quiet.**").splitlines()[:4] == ["## Title", "", "**Not quiet.**", ""]
    assert max(map(len, report.markdown("").splitlines())) <= 120
    assert report.markdown("").endswith("\n\n| a |")
