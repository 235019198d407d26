"""The tables tell rates, ratios of the same rounds, and who is missing."""

import pytest

from bench.peers.cases import COLUMNS, DECODE_1, DECODE_16
from bench.peers.contestants import CONTESTANTS
from bench.peers.rounds import Figures
from bench.peers.tables import rates_table, ratios_table, served_tables

OURS, LLAMA_CPP, CTRANSLATE2 = CONTESTANTS[:3]


@pytest.fixture
def figures() -> Figures:
    found = Figures(bytes_per_s=[100.0, 200.0])
    for ours, theirs in ((10.0, 20.0), (30.0, 40.0)):
        found.add(OURS.name, dict.fromkeys(COLUMNS, ours), 512.0)
        found.add(LLAMA_CPP.name, dict.fromkeys(COLUMNS, theirs), 256.0)
    found.drop(CTRANSLATE2.name, "no wheel")
    return found


def row(table: str, name: str) -> list[str]:
    """The cells after a name."""
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {name} |"))
    return line.strip("| ").split(" | ")[1:]


def test_a_row_has_medians_and_the_share_of_the_bandwidth(figures: Figures):
    table = rates_table(CONTESTANTS[:3], figures, {"layers": 2, "head": 0})  # 8 bytes
    assert row(table, OURS.name) == ["20", "20", "20", "20", "512", "100%"]


def test_a_missing_peer_is_a_row_that_says_so(figures: Figures):
    table = rates_table(CONTESTANTS[:3], figures, {"layers": 2, "head": 0})
    assert "not measured: no wheel" in table


def test_ratios_are_those_of_the_same_rounds(figures: Figures):
    table = ratios_table(CONTESTANTS[:3], figures)
    assert row(table, f"{OURS.name} / {LLAMA_CPP.name}")[0] == "0.62 (0.50 to 0.75)"
    assert row(table, "goal")[0] == "1.0"


def test_the_best_peer_is_named_for_each_column(figures: Figures):
    del figures.missing[CTRANSLATE2.name]
    for rates in ({DECODE_1.name: 100.0}, {DECODE_1.name: 100.0}):
        figures.add(CTRANSLATE2.name, dict.fromkeys(COLUMNS, 1.0) | rates, 128.0)
    best = row(ratios_table(CONTESTANTS[:3], figures), f"**{OURS.name} / the best peer**")
    assert best[0].endswith(CTRANSLATE2.name)
    assert best[1].endswith(LLAMA_CPP.name)


def test_without_this_engine_there_are_no_ratios(figures: Figures):
    figures.drop(OURS.name, "left out")
    assert ratios_table(CONTESTANTS[:3], figures) == ""


def test_servers_are_compared_with_each_other_and_with_the_engine():
    figures = Figures()
    figures.add("ours", {DECODE_1.name: 10.0, DECODE_16.name: 90.0}, 0.0)
    figures.add("theirs", {DECODE_1.name: 20.0, DECODE_16.name: 30.0}, 0.0)
    figures.add("engine alone", {DECODE_16.name: 100.0}, 0.0)
    _, ratios = served_tables(figures)
    assert row(ratios, "ours / theirs") == ["0.50 (0.50 to 0.50)", "3.00 (3.00 to 3.00)"]
    assert row(ratios, "ours / engine alone")[-1] == "0.90 (0.90 to 0.90)"
