"""`python -m service tune`, as a person runs it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.__main__ import main
from tests.support.checkpoints import save_tiny_model
from tests.support.native import cache_with_library


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_with_library(tmp_path / "cache")))
    return tmp_path / "cache" / "runstream" / "choices"


def tune(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["tune", *map(str, arguments)])


def complaint(result: Result) -> str:
    """What a run that failed ends with."""
    return result.stderr + str(result.exception)


def test_it_shows_what_was_tried_and_keeps_it(tmp_path: Path, cache: Path) -> None:
    result = tune(save_tiny_model(tmp_path / "tiny"), "--dtype", "float32")
    assert result.exit_code == 0, result.output
    heading, *lines = result.stdout.splitlines()
    assert heading.split()[:2] == ["what", "way"]
    assert [line for line in lines if line.split()[0] == "products" and line.split()[-1] == "used"]
    (kept,) = cache.glob("*.json")
    assert json.loads(kept.read_text())["facts"]["dtype"] == "float32"


def test_nothing_to_try_is_told(tmp_path: Path, cache: Path) -> None:
    model = save_tiny_model(tmp_path / "tiny")
    cache.write_text("a file in the way")
    result = tune(model)
    assert result.exit_code == 1
    assert "error: nothing was tried" in complaint(result)


def test_a_model_that_nobody_knows_is_refused() -> None:
    result = tune("@test/unknown")
    assert result.exit_code == 1
    assert "neither a folder" in complaint(result)
