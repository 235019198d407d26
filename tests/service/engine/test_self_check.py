"""A checkpoint that the engine would compute wrongly is refused before it is served."""

from pathlib import Path

import pytest
import torch

from service.checkpoints.load import load_model
from service.engine.engine import Engine
from service.engine.messages import EngineConfig
from service.engine.self_check import UnsupportedModelError
from tests.checkpoints import save_tiny_model
from tests.service.engine.conftest import FAMILIES, make_engine


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_supported_families_pass_in_every_precision(checkpoint, family: str, dtype: str) -> None:
    make_engine(checkpoint(family), dtype=dtype)


def test_llama_3_1_rope_scaling_passes(tmp_path: Path) -> None:
    rope = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128,
    }
    make_engine(save_tiny_model(tmp_path, rope_parameters=rope))


def test_rope_that_depends_on_the_batch_is_refused(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    with pytest.raises(UnsupportedModelError, match="dynamic"):
        make_engine(save_tiny_model(tmp_path, rope_parameters=rope))


def test_a_model_with_score_capping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="softcap is not supported"):
        make_engine(save_tiny_model(tmp_path, "gemma2", head_dim=16))


def test_a_class_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    model_folder = save_tiny_model(tmp_path)
    model = load_model(model_folder, "cpu", "float32")
    calls = iter([0.0, 1.0, 1.0, 1.0])  # the class's own forward is unchanged, later ones are not
    model.get_input_embeddings().register_forward_hook(lambda module, inputs, output: output + next(calls))
    with pytest.raises(UnsupportedModelError, match="models of type llama compute something else"):
        Engine(model, EngineConfig(model_folder), num_blocks=8)


def test_the_check_leaves_no_trace_in_later_tokens(checkpoint) -> None:
    first, second = make_engine(checkpoint("llama"), num_blocks=8), make_engine(checkpoint("llama"), num_blocks=64)
    assert first.block_pool.num_free == 8
    assert second.block_pool.num_free == 64
    assert torch.is_grad_enabled()


def test_a_kv_cache_without_room_is_refused(checkpoint) -> None:
    with pytest.raises(ValueError, match="give it more memory"):
        make_engine(checkpoint("llama"), num_blocks=1)
