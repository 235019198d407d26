"""The comparison runs, on a tiny model and without installing peers."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.peers.__main__ import main
from bench.peers.checkpoint import save_plain
from bench.peers.rounds import VOCAB_SIZE
from tests.support.checkpoints import tiny_model


@pytest.mark.stress
def test_engines_that_are_here_are_compared(tmp_path: Path):
    model = tiny_model(vocab_size=VOCAB_SIZE, tie_word_embeddings=True, max_position_embeddings=1024)
    save_plain(tmp_path / "weights" / "plain", model)
    options = ["--only", "Runstream", "--only", "transformers", "--rounds", "1", "--cache", str(tmp_path)]
    ran = CliRunner().invoke(main, ["float32", *options, "--core", "0", "--json", str(tmp_path / "figures.json")])
    assert ran.exit_code == 0, ran.output
    assert "| Runstream float32 / transformers float32 |" in ran.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["Beside other engines, float32"]["rates"].keys() == {"Runstream float32", "transformers float32"}
