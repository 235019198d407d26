"""What checkpoints take, computed from headers and configs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from service.catalog import load_catalog
from service.checkpoints.errors import CheckpointError
from service.checkpoints.headers import read_weights, stored_bytes
from service.checkpoints.memory import in_gb, kv_bytes_per_token, read_config, weights_bytes
from service.engine.weights.load import load_model
from tests.support.checkpoints import save_tiny_model, tiny_model
from tests.support.gguf_checkpoints import save_tiny_gguf
from tests.support.published import CONFIGS, published_weights
from tests.support.quantized_checkpoints import save_awq, save_gptq

PAGE = Path(__file__).parents[3] / "docs" / "models.md"


def mib(num_bytes: int) -> int:
    return -(-num_bytes // (1 << 20))


@pytest.mark.parametrize("model_id", CONFIGS)
def test_the_catalog_tells_what_the_published_checkpoints_take(model_id: str) -> None:
    model = load_catalog()[model_id]
    weights = published_weights(model_id, model.quantization)
    kv_bytes = model.context_window * kv_bytes_per_token(CONFIGS[model_id], model.dtype)
    assert model.download_mib == mib(stored_bytes(weights))
    assert model.memory_mib == mib(weights_bytes(weights, model.dtype, model.quantization) + kv_bytes)


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2), ("auto", 4)])
def test_weights_take_what_the_loaded_model_takes(tmp_path: Path, dtype: str, size: int) -> None:
    num_parameters = sum(parameter.numel() for parameter in tiny_model().parameters())
    assert weights_bytes(read_weights(save_tiny_model(tmp_path)), dtype) == num_parameters * size


@pytest.mark.usefixtures("no_compiler")  # compiled products hold no more, and where no state dict tells
@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_0", "Q4_1", "Q6_K"])
def test_weights_of_a_gguf_file_take_what_the_loaded_model_takes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.gguf"
    save_tiny_gguf(path, "qwen3", kind)
    model = load_model(path, "cpu", "float32")
    tensors = {tensor.data_ptr(): tensor.nbytes for tensor in model.state_dict().values()}
    assert weights_bytes(read_weights(path), "float32") == sum(tensors.values())
    assert kv_bytes_per_token(read_config(path), "float32") == 2 * 2 * 2 * 64 * 4


def test_the_kv_cache_takes_keys_and_values_of_every_layer(tmp_path: Path) -> None:
    config = read_config(save_tiny_model(tmp_path))
    assert kv_bytes_per_token(config, "float32") == 2 * 2 * 2 * 16 * 4  # layers, keys and values, heads, size, bytes
    assert kv_bytes_per_token({**config, "head_dim": 32}, "bfloat16") == 2 * 2 * 2 * 32 * 2


def test_a_config_of_something_else_is_told() -> None:
    with pytest.raises(CheckpointError, match="num_attention_heads"):
        kv_bytes_per_token({"model_type": "mamba"})


def test_a_file_that_was_cut_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.ones(100)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is no whole safetensors file"):
        read_weights(tmp_path)


@pytest.mark.parametrize(("num_bytes", "text"), [(16_060_522_496, "16.06 GB"), (7_610_840, "7.61 MB")])
def test_sizes_are_told_in_the_units_of_disks(num_bytes: int, text: str) -> None:
    assert in_gb(num_bytes) == text


@pytest.mark.parametrize("model_id", CONFIGS)
def test_the_page_about_the_models_has_the_same_figures(model_id: str) -> None:
    model = load_catalog()[model_id]
    weights = published_weights(model_id, model.quantization)
    kv_bytes = kv_bytes_per_token(CONFIGS[model_id], model.dtype)
    loaded, window = weights_bytes(weights, model.dtype, model.quantization), model.context_window * kv_bytes
    sizes = [in_gb(size) for size in (stored_bytes(weights), loaded, window, loaded + window)]
    sizes[2] = f"{model.context_window} tokens: {sizes[2]}"
    row = [f"`{model_id}`", *sizes[:2], f"{kv_bytes >> 10} KiB", *sizes[2:]]
    page = PAGE.read_text()
    assert f"| {' | '.join(row)} |" in page
    assert f"--models {model_id} --device cuda --kv-cache-memory-mib" in page


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("save", [save_awq, save_gptq])
def test_packed_weights_take_what_the_loaded_model_holds(tmp_path: Path, save: Any, dtype: str) -> None:
    save(tmp_path, 32)
    model = load_model(tmp_path, "cpu", dtype)
    rope = sum(buffer.nbytes for name, buffer in model.named_buffers() if name.endswith("inv_freq"))
    held = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers())) - rope
    # Beside them are a word for each input that names its group, and biases of zeros, neither of which stays.
    assert weights_bytes(read_weights(tmp_path), dtype) == pytest.approx(held, rel=0.05)
