"""AWQ and GPTQ checkpoints compute what their dequantised weights compute in transformers' own classes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from service.checkpoints.errors import CheckpointError
from service.engine.linears.codes import CodesLinear
from service.engine.linears.quantized import GroupedLinear
from service.engine.linears.tinygemm import HalvesKernelLinear, Int4KernelLinear
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from tests.support.quantized_checkpoints import AWQ_CONFIG, GPTQ_CONFIG, save_awq, save_gptq

TOKEN_IDS = torch.tensor([[(step * 37 + 5) % 320 for step in range(40)]])


def logits(model: PreTrainedModel, token_ids: torch.Tensor = TOKEN_IDS) -> torch.Tensor:
    with torch.inference_mode():
        output: torch.Tensor = model(token_ids).logits.float()
        return output


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("group_size", [128, 64, 32, 16, -1])
def test_awq_weights_mean_what_autoawq_packed(tmp_path: Path, group_size: int) -> None:
    expected = save_awq(tmp_path, group_size)
    assert difference(logits(load_model(tmp_path, "cpu", "float32", "awq")), logits(expected)) < 1e-5


GPTQ_FORMS: list[dict[str, Any]] = [
    {"group_size": 128},
    {"group_size": 32, "is_act_order": True},
    {"group_size": 64, "is_symmetric": False},
    {"group_size": 32, "is_symmetric": False, "is_act_order": True, "is_v2": True},
    {"group_size": -1},
    {"group_size": 32, "bits": 8},
    {"group_size": -1, "bits": 8, "is_symmetric": False},
    {"group_size": 64, "bits": 8, "is_act_order": True},
]


@pytest.mark.parametrize("form", GPTQ_FORMS, ids=str)
def test_gptq_weights_mean_what_autogptq_packed(tmp_path: Path, form: dict[str, Any]) -> None:
    expected = save_gptq(tmp_path, **form)
    assert difference(logits(load_model(tmp_path, "cpu", "float32", "gptq")), logits(expected)) < 1e-5


def test_a_bias_that_the_class_does_not_have_is_added(tmp_path: Path) -> None:
    expected: Any = save_gptq(tmp_path, 32)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["model.layers.0.mlp.down_proj.bias"] = torch.randn(128).half()
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    bias = tensors["model.layers.0.mlp.down_proj.bias"].float()
    expected.model.layers[0].mlp.down_proj.bias = torch.nn.Parameter(bias)
    loaded: Any = load_model(tmp_path, "cpu", "float32")
    assert difference(logits(loaded), logits(expected)) < 1e-5
    assert loaded.model.layers[0].mlp.up_proj.bias is None  # one of zeros is not kept


@pytest.mark.parametrize("file", ["quant_config.json", "quantize_config.json"])
def test_settings_are_read_from_where_they_were_before_config_json_had_them(tmp_path: Path, file: str) -> None:
    is_awq = file == "quant_config.json"
    expected = save_awq(tmp_path, 32) if is_awq else save_gptq(tmp_path, 32)
    awq = {"zero_point": True, "q_group_size": 32, "w_bit": 4, "version": "GEMM"}
    gptq = {"bits": 4, "group_size": 32, "damp_percent": 0.01, "desc_act": False, "sym": True, "true_sequential": True}
    (tmp_path / file).write_text(json.dumps(awq if is_awq else gptq))
    config = json.loads((tmp_path / "config.json").read_text())
    del config["quantization_config"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert difference(logits(load_model(tmp_path, "cpu", "float32")), logits(expected)) < 1e-5


@pytest.mark.parametrize("family", ["mistral", "qwen2", "phi3", "gemma2"])
def test_other_families_and_their_biases_load_too(tmp_path: Path, family: str) -> None:
    expected = save_awq(tmp_path, 32, family)
    assert difference(logits(load_model(tmp_path, "cpu", "float32")), logits(expected)) < 1e-5


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("save", [save_awq, save_gptq])
def test_half_precision_is_as_close_as_its_rounding(tmp_path: Path, dtype: str, save: Any) -> None:
    expected = save(tmp_path, 32).to(getattr(torch, dtype))
    loaded = load_model(tmp_path, "cpu", dtype)
    # Of few tokens, so that the kernels run, and of many.
    for token_ids in (TOKEN_IDS[:, :3], TOKEN_IDS):
        assert difference(logits(loaded, token_ids), logits(expected, token_ids)) < 0.05


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_the_kernel_is_used_where_it_is_quick(tmp_path: Path) -> None:
    save_awq(tmp_path, 64)
    name = "model.layers.0.mlp.up_proj"
    assert isinstance(load_model(tmp_path, "cpu", "bfloat16").get_submodule(name), Int4KernelLinear)
    assert isinstance(load_model(tmp_path, "cpu", "float32").get_submodule(name), GroupedLinear)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_compiled_products_are_used_on_a_cpu(tmp_path: Path, dtype: str) -> None:
    save_awq(tmp_path, 64)
    assert isinstance(load_model(tmp_path, "cpu", dtype).get_submodule("model.layers.0.mlp.up_proj"), CodesLinear)


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("accelerations", [frozenset(), frozenset({Acceleration.LINEARS})], ids=["plain", "linears"])
def test_gptq_of_8_bits_is_read_packed_in_either_way(tmp_path: Path, accelerations: frozenset[Acceleration]) -> None:
    save_gptq(tmp_path, 64, bits=8)
    model = load_model(tmp_path, "cpu", "bfloat16", accelerations=accelerations)
    assert isinstance(model.get_submodule("model.layers.0.mlp.up_proj"), HalvesKernelLinear)


def test_the_dtype_of_the_checkpoint_is_auto(tmp_path: Path) -> None:
    save_awq(tmp_path, 32)
    assert load_model(tmp_path, "cpu", "auto").dtype is torch.float16


def edit_quantization(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"].update(changes)
    path.write_text(json.dumps(config))


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (AWQ_CONFIG, {"version": "gemv"}, "AWQ weights in the layout 'gemv' can't be loaded, only gemm and exllama"),
    (AWQ_CONFIG, {"bits": 8}, "awq weights of 8 bits can't be loaded, only of 4"),
    (AWQ_CONFIG, {"zero_point": False}, "without zero points"),
    (AWQ_CONFIG, {"group_size": 48}, "group_size 48 does not divide the 256 inputs of a layer"),
    (AWQ_CONFIG, {"group_size": "many"}, "group_size is 'many'; expected an integer of at least 1, or -1"),
    (AWQ_CONFIG, {"group_size": 64}, "have another shape than its config says"),
    (GPTQ_CONFIG, {"bits": 3}, "gptq weights of 3 bits can't be loaded, only of 4 and 8"),
    (GPTQ_CONFIG, {"checkpoint_format": "marlin"}, "GPTQ weights in the layout 'marlin' can't be loaded"),
    (GPTQ_CONFIG, {"is_marlin_format": True}, "GPTQ weights in the layout 'marlin' can't be loaded"),
    (GPTQ_CONFIG, {"dynamic": {"lm_head": {"bits": 8}}}, "settings for single layers"),
    (
        GPTQ_CONFIG,
        {"quant_method": "hqq"},
        "weights quantized by hqq can't be loaded: take a checkpoint whose weights are plain",
    ),
]


@pytest.mark.parametrize(("settings", "change", "reason"), REFUSED, ids=lambda value: str(value)[:30])
def test_an_unknown_layout_is_refused(
    tmp_path: Path, settings: dict[str, Any], change: dict[str, Any], reason: str
) -> None:
    save = save_awq if settings is AWQ_CONFIG else save_gptq
    save(tmp_path, 32)
    edit_quantization(tmp_path, **change)
    with pytest.raises(CheckpointError, match=reason):
        load_model(tmp_path, "cpu", "float32")
