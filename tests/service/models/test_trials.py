"""What an engine's trials have found is told of its model, and found only once."""

from pathlib import Path
from typing import Any

import pytest
from runstream.v1 import models_pb2

from tests.support.checkpoints import save_tiny_model
from tests.support.native import cache_with_library
from tests.support.running_service import MODEL, ask, config, run_service, write_catalog
from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog with a model of its own, for a user for whom nothing was tried yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_with_library(tmp_path / "cache")))
    # Nothing is tried for models that are much smaller.
    sizes: dict[str, Any] = {"vocab_size": 512, "max_position_embeddings": 32_768, "intermediate_size": 50_000}
    folder = save_tiny_model(tmp_path / "tiny", **sizes)
    save_tokenizer(folder, byte_level_tokenizer(512))
    return write_catalog(tmp_path)


async def test_the_second_start_tells_what_the_first_has_found(catalog: Path) -> None:
    told = []
    for _ in range(2):
        async with run_service(config(catalog, trials="at-load")) as running:
            model = (await running.models.GetModel(models_pb2.GetModelRequest(model=MODEL))).model
            assert (await running.text_generation.Run(ask(max_tokens=3))).usage.completion_tokens == 3
        told.append(list(model.trials))
    assert told[0] == told[1]
    assert {it.what for it in told[0]} == {"products"}, "the number of threads is given"
    timed = [it for it in told[0] if it.times]  # how many there is time for is up to the machine
    assert all([each.num_rows for each in it.times] == [1, 4, 16, 64, 256] for it in timed)
    assert all(each.time_us > 0 for it in timed for each in it.times)
    assert not any(it.outcome == models_pb2.TRIAL_OUTCOME_WRONG for it in told[0])


async def test_without_trials_nothing_is_told(catalog: Path) -> None:
    async with run_service(config(catalog, trials="never")) as running:
        model = (await running.models.GetModel(models_pb2.GetModelRequest(model=MODEL))).model
    assert not model.trials
