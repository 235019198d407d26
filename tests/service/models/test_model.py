"""What a model takes and what it tells of itself."""

import dataclasses

import pytest

from service.engine_client.request import EngineState
from service.engine_protocol.engine_config import EngineInfo
from service.errors import ModelNotReadyError
from tests.support.fake_engine import make_model, save_checkpoint

MIB = 1 << 20


@pytest.fixture
def model(tmp_path):
    return make_model("it", save_checkpoint(tmp_path))


async def load(model):
    model.wait("its turn")
    await model.load()


@pytest.mark.parametrize(
    ("catalog", "checkpoint", "kv_cache", "fits"), [(100, 200, 300, 100), (300, 200, 300, 200), (300, 200, 64, 64)]
)
async def test_the_context_window_is_the_least_of_the_catalogs_the_checkpoints_and_the_kv_caches(
    model, catalog, checkpoint, kv_cache, fits
):
    model.entry = dataclasses.replace(model.entry, context_window=catalog)
    model.engine.info = EngineInfo(512, checkpoint, kv_cache, 10 * MIB, "cpu", "float32")
    await load(model)
    assert model.loaded().limits.context_window == fits


async def test_a_kv_cache_that_bounds_the_context_window_is_warned_of(model, caplog):
    model.entry = dataclasses.replace(model.entry, context_window=300)
    model.engine.info = EngineInfo(512, 1000, 64, 10 * MIB, "cpu", "float32")
    await load(model)
    assert "holds 64 tokens, fewer than its context window of 300: --kv-cache-memory-mib 47 is enough" in caplog.text


async def test_what_the_kv_cache_holds_is_told_once_it_is_known(model, caplog):
    caplog.set_level("INFO")
    model.engine.info = EngineInfo(512, 1000, 123_456, 10 * MIB, "cuda:0", "float32")
    model.entry = dataclasses.replace(model.entry, context_window=1200)
    await load(model)
    assert "KV cache of it on cuda:0: 123,456 tokens, 123.5 requests of 1,000 tokens at once" in caplog.text
    assert model.need.kv_cache_bytes == 10 * MIB


async def test_a_model_that_is_not_loaded_tells_what_loads_it(model):
    assert (model.state, model.state_detail) == (EngineState.STOPPED, "it was not loaded; a request loads it")
    model.loads_on_use = False
    assert (model.is_withdrawn, model.is_serving) == (True, False)
    with pytest.raises(ModelNotReadyError, match="it is stopped: it was not loaded; python -m service load it loads"):
        model.loaded()


async def test_a_model_whose_tokenizer_can_not_be_loaded_keeps_no_engine(model):
    (model.engine.config.checkpoint / "tokenizer.json").write_text("{")
    with pytest.raises(ModelNotReadyError, match="the tokenizer of it can't be loaded"):
        await load(model)
    assert (model.engine.num_starts, model.engine.state) == (1, EngineState.STOPPED)
