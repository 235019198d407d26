"""The engine's benchmarks run, on a tiny checkpoint and with few tokens.

The peer runs tuned only: as in a plain script, it takes over half of the machine's memory.
"""

import json
from pathlib import Path

import pytest

from bench.engine import __main__, batch, mixed, overhead, prefix, scaling
from bench.engine.load import Setup
from bench.engine.peer import TUNED
from tests.support.checkpoints import save_tiny_model


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    checkpoint = save_tiny_model(tmp_path_factory.mktemp("checkpoints") / "llama")
    return Setup(checkpoint, kv_cache_memory_mib=4, rounds=2)


def test_all_ways_are_measured_on_prompts_that_are_all_there(setup: Setup):
    report = batch.run(setup, (TUNED,), count=3, num_new_tokens=4)
    assert list(report.figures["tokens_per_s"]) == [
        "generate, 1 sequence",
        "engine, 1 sequence",
        "generate, static batch of 3",
        "generate_batch, 3, tuned",
        "engine, 3 sequences",
    ]
    assert all(len(rates) == 2 and min(rates) > 0 for rates in report.figures["tokens_per_s"].values())
    assert "| engine / generate_batch, 3, tuned |" in report.tables[1]


def test_both_sides_give_equal_tokens_to_requests_that_arrive_over_time(setup: Setup):
    report = mixed.run(setup, (TUNED,), 6, (4, 40), (2, 12), span_s=0.05)
    ways = ("| engine |", "| generate_batch, tuned |")
    rows = [line.split(" | ") for line in report.tables[0].splitlines() if line.startswith(ways)]
    assert [row[4] for row in rows] == ["100%", "100%"]
    assert 0 < report.figures["arrivals_s"][-1] < 0.05


def test_the_span_follows_the_engines_own_time(setup: Setup):
    report = mixed.run(setup, (), 3, (4, 8), (2, 3))
    assert 0 < report.figures["arrivals_s"][-1] < 1


def test_a_shared_prefix_comes_from_the_cache(setup: Setup):
    report = prefix.run(setup, num_requests=4, num_shared_tokens=48, num_own_tokens=8)
    cached = report.figures["num_cached_tokens"]
    assert cached[prefix.WITHOUT] == [0, 0]
    assert cached[prefix.WARM] == [4 * 48] * 2


def test_each_number_of_sequences_has_a_row(setup: Setup):
    report = scaling.run(setup, (1, 3), num_new_tokens=6)
    rows = [line.split(" | ") for line in report.tables[0].splitlines() if line.startswith(("| 1 |", "| 3 |"))]
    assert len(rows) == 2
    assert rows[0][7] == "1.00"


def test_a_steps_parts_are_all_there(setup: Setup):
    report = overhead.run(setup, setup.load_model(), count=3, num_new_tokens=6)
    assert list(report.figures["steps_s"]) == list(overhead.SETTINGS)
    for rounds in report.figures["steps_s"].values():
        assert all(seconds > 0 for step in rounds for seconds in step.values())


def test_the_command_prints_markdown_and_writes_figures(
    setup: Setup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    options = ["--checkpoint", str(setup.checkpoint), "--rounds", "1", "--sequences", "1,2"]
    __main__.main(["scaling", *options, "--json", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert len(figures["parts"]["scaling"]["tokens_per_s"]["2"]) == 1
    assert figures["machine"]["versions"]["torch"]
    assert "## One engine, many sequences" in capsys.readouterr().out


def test_an_unknown_part_is_refused():
    with pytest.raises(SystemExit, match="unknown part sclaing: there are batch, mixed"):
        __main__.main(["sclaing"])
