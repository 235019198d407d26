"""Tables and plots of docs/ are what the JSON of the benchmarks gives."""

import json

import pytest

from bench.figures import PLOTS, RESULTS, draw, with_figures
from bench.fleet.__main__ import main as simulate
from bench.fleet.report import kept_table
from bench.peers.contestants import PRECISIONS
from bench.peers.report import kept_tables
from tests.support.repository import ROOT

DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
PEERS = "<!-- figures: bench/results/peers.json float32 -->\n{}<!-- /figures -->"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_marked_tables_are_those_of_their_figures(document):
    assert with_figures(document.read_text()) == document.read_text(), "python -m bench.figures puts them right"


def test_every_result_is_in_a_document():
    text = "".join(document.read_text() for document in DOCUMENTS)
    results = [file.relative_to(ROOT) for file in RESULTS.glob("*.json")]
    assert results
    assert not [file for file in results if f"<!-- figures: {file} " not in text]


def test_plots_are_those_of_the_figures(tmp_path):
    drawn = draw(tmp_path)
    assert drawn
    assert not [file.name for file in drawn if file.read_text() != (PLOTS / file.name).read_text()]


def test_tables_of_simulated_fleets_are_those_that_were_printed(tmp_path, capsys):
    simulate(["--quick", "--json", str(tmp_path / "fleet.json")])
    printed = capsys.readouterr().out
    rows = json.loads((tmp_path / "fleet.json").read_text())
    assert all(
        f"### {part.capitalize()}\n\n{kept_table(rows, part)}\n" in printed for part in ("load", "size", "faults")
    )
    with pytest.raises(KeyError):
        kept_table(rows, "luck")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_figure_that_was_changed_is_found(precision):
    found = json.loads((RESULTS / "peers.json").read_text())
    before = kept_tables(found, precision)
    served = kept_tables(found, f"served {precision}")
    for title in (f"Beside other engines, {precision}", f"Over HTTP, {precision}"):
        for rates in next(iter(found[title]["rates"].values())).values():
            rates[:] = [2 * rate for rate in rates]
    assert kept_tables(found, precision) != before
    assert kept_tables(found, f"served {precision}") != served


def test_a_table_is_put_between_its_marks_and_nothing_else_changes():
    text = f"before {PEERS.format('old')} after"
    made = with_figures(text)
    assert made.startswith("before <!-- figures")
    assert made.endswith("<!-- /figures --> after")
    assert "old" not in made
    assert with_figures(made) == made


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(FileNotFoundError):
        with_figures(PEERS.format("").replace("peers.json", "peers-none.json"))


def test_a_visit_to_a_gpu_has_its_table_too(tmp_path):
    file = tmp_path / "visit-h200.json"
    row = {"case": "Llama-3.1-8B bf16, 1 sequence", "way": "plain", "values": [0.005]}
    file.write_text(json.dumps({"machine": "", "device_name": "NVIDIA H200", "is_tiny": False, "measurements": [row]}))
    made = with_figures(f"<!-- figures: {file} all -->\n<!-- /figures -->")
    assert "| Llama-3.1-8B bf16, 1 sequence | plain | 5.00 ms | 200 | 3.35 ms | 0.67 |" in made
