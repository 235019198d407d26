"""Environments of peers are pinned."""

import sys
from pathlib import Path

import pytest

from bench.peers.contestants import CONTESTANTS
from bench.peers.environments import OURS, ROOT, pinned_version, python_of
from bench.peers.weights import FORMS

REQUIREMENTS = sorted((ROOT / "bench" / "peers" / "requirements").glob("*.txt"))


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.stem)
def test_every_package_has_one_version(path: Path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 for line in lines)
    assert pinned_version(path.stem, "pip")


def test_every_contestant_has_an_environment_and_weights():
    assert {contestant.environment for contestant in CONTESTANTS} == {OURS, *(path.stem for path in REQUIREMENTS)}
    assert {contestant.weights for contestant in CONTESTANTS} == FORMS.keys()


def test_our_own_environment_is_this_one(tmp_path: Path):
    assert python_of(OURS, tmp_path) == Path(sys.executable)
