"""Checkpoints of compressed-tensors, of 8-bit floats and of bitsandbytes compute what their own tools make of them."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from service.checkpoints.errors import CheckpointError
from service.checkpoints.headers import read_weights
from service.checkpoints.memory import weights_bytes
from service.engine.linears.codes import CodesLinear
from service.engine.startup.build import build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import save_tiny_model
from tests.support.engines import finish, tokens_of
from tests.support.packed_checkpoints import (
    SCHEMES,
    compressed_reference,
    save_bitsandbytes,
    save_compressed,
    save_float8,
    unpacked_reference,
)
from tests.support.thread_ranks import in_ranks

TOKEN_IDS = torch.tensor([[(step * 37 + 5) % 320 for step in range(40)]])
BITSANDBYTES = ["nf4", "fp4", "nf4 double", "fp4 double", "int8"]
FLOAT8 = ["deepseek", "neuralmagic", "fbgemm"]


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        output: torch.Tensor = model(TOKEN_IDS).logits.float()
        return output


def difference(ours: PreTrainedModel, theirs: PreTrainedModel) -> float:
    expected = logits(theirs)
    return float((logits(ours) - expected).norm() / expected.norm())


def layer_of(folder: Path, dtype: str = "float32", **settings: Any) -> Any:
    return load_model(folder, "cpu", dtype, **settings).get_submodule("model.layers.0.mlp.up_proj")


def edit_quantization(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"].update(changes)
    path.write_text(json.dumps(config))


def edit_weights(folder: Path, changes: dict[str, torch.Tensor | None]) -> None:
    tensors = load_file(folder / "model.safetensors") | changes
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_by_llm_compressor_mean_what_transformers_loads(tmp_path: Path, scheme: str) -> None:
    save_compressed(tmp_path, scheme)
    assert difference(load_model(tmp_path, "cpu", "float32"), compressed_reference(tmp_path)) < 1e-5


@pytest.mark.parametrize("scheme", ["W4A16", "W8A8", "FP8_DYNAMIC"])
def test_in_bfloat16_they_are_as_close_as_its_rounding(tmp_path: Path, scheme: str) -> None:
    save_compressed(tmp_path, scheme, dtype=torch.bfloat16)
    assert difference(load_model(tmp_path, "cpu", "auto"), compressed_reference(tmp_path, torch.bfloat16)) < 0.05


@pytest.mark.parametrize("family", ["qwen2", "phi3", "gemma2"])
def test_other_families_and_their_biases_load_too(tmp_path: Path, family: str) -> None:
    save_compressed(tmp_path, "W4A16", family)
    assert difference(load_model(tmp_path, "cpu", "float32"), compressed_reference(tmp_path)) < 1e-5


@pytest.mark.parametrize(("scheme", "kind"), [("W4A16", CodesLinear), ("W8A8", CodesLinear), ("FP8", torch.nn.Linear)])
def test_what_has_a_packed_form_here_stays_packed(tmp_path: Path, scheme: str, kind: type) -> None:
    assert type(layer_of(save_compressed(tmp_path, scheme))) is kind


@pytest.mark.parametrize("kind", FLOAT8)
def test_floats_of_8_bits_are_unpacked_by_their_scales(tmp_path: Path, kind: str) -> None:
    expected = save_float8(tmp_path, kind)
    assert difference(load_model(tmp_path, "cpu", "float32"), expected) < 1e-5


@pytest.mark.parametrize("kind", BITSANDBYTES)
def test_weights_by_bitsandbytes_are_what_it_unpacks(tmp_path: Path, kind: str) -> None:
    expected = save_bitsandbytes(tmp_path, kind, "qwen2")
    assert difference(load_model(tmp_path, "cpu", "float32"), expected) < 1e-5
    assert type(layer_of(tmp_path)) is (CodesLinear if kind == "int8" else torch.nn.Linear)


@pytest.mark.parametrize("settings", [{"load_in_8bit": True, "llm_int8_threshold": 6.0}, {"load_in_4bit": True}])
def test_a_config_from_before_quant_method_is_understood(tmp_path: Path, settings: dict[str, Any]) -> None:
    expected = save_bitsandbytes(tmp_path, "int8" if "load_in_8bit" in settings else "nf4", **settings)
    assert difference(load_model(tmp_path, "cpu", "float32"), expected) < 1e-5


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "auto"])
@pytest.mark.parametrize("kind", ["W4A16", "W8A8", "W8A8 asymmetric", "FP8_BLOCK", "deepseek", "nf4 double", "int8"])
def test_the_figure_of_memory_is_what_the_loaded_model_holds(tmp_path: Path, kind: str, dtype: str) -> None:
    save: Any = save_compressed if kind in SCHEMES else save_float8 if kind in FLOAT8 else save_bitsandbytes
    save(tmp_path, kind)
    assert weights_bytes(read_weights(tmp_path), dtype) == pytest.approx(held_bytes(tmp_path, dtype), rel=0.02)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("scheme", ["W4A16", "W8A8"])
def test_compiled_products_hold_no_more_than_the_figure_of_memory(tmp_path: Path, scheme: str, dtype: str) -> None:
    save_compressed(tmp_path, scheme)
    assert held_bytes(tmp_path, dtype) <= 1.02 * weights_bytes(read_weights(tmp_path), dtype)


def held_bytes(checkpoint: Path, dtype: str) -> int:
    model = load_model(checkpoint, "cpu", dtype)
    rope = sum(buffer.nbytes for name, buffer in model.named_buffers() if name.endswith("inv_freq"))
    return sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers())) - rope


REFERENCES: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("W4A16_ASYM", save_compressed, compressed_reference),
    ("W8A8", save_compressed, compressed_reference),
    ("FP8_DYNAMIC", save_compressed, compressed_reference),
    ("deepseek", save_float8, unpacked_reference),
    ("nf4 double", save_bitsandbytes, unpacked_reference),
    ("int8", save_bitsandbytes, unpacked_reference),
]


@pytest.mark.parametrize(("kind", "save", "load_reference"), REFERENCES, ids=lambda it: it if type(it) is str else "")
def test_greedy_tokens_are_those_of_transformers(tmp_path: Path, kind: str, save: Any, load_reference: Any) -> None:
    save(tmp_path, kind)
    prompts = [[(step * 37 + row * 11 + 5) % 320 for step in range(size)] for row, size in enumerate((3, 40))]
    engine = build_engine(load_model(tmp_path, "cpu", "float32"), EngineConfig(tmp_path), 128)
    for row, prompt in enumerate(prompts):
        engine.submit(str(row), prompt, SamplingParams(16, temperature=0.0))
    outputs, model = finish(engine), load_reference(tmp_path)
    for row, prompt in enumerate(prompts):
        ids = torch.tensor([prompt])
        settings = {"do_sample": False, "eos_token_id": 320, "pad_token_id": 0, "max_new_tokens": 16}
        expected = model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
        assert tokens_of(outputs, str(row)) == expected[0, len(prompt) :].tolist()


@pytest.mark.parametrize("save", [save_float8, save_bitsandbytes])
def test_a_config_that_tells_of_more_than_the_weights_have_changes_nothing(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "packed", "deepseek" if save is save_float8 else "nf4")
    told = json.loads((tmp_path / "packed" / "config.json").read_text())["quantization_config"]
    path = save_tiny_model(tmp_path / "plain") / "config.json"
    expected = logits(load_model(tmp_path / "plain", "cpu", "float32"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": told}))
    assert torch.equal(logits(load_model(tmp_path / "plain", "cpu", "float32")), expected)


def test_weights_that_are_unpacked_can_be_shared_by_devices(tmp_path: Path) -> None:
    expected = logits(save_float8(tmp_path, "deepseek"))
    lock = threading.Lock()  # transformers changes torch's defaults while it loads

    def shard(ranks: Any) -> torch.Tensor:
        with lock:
            model = load_model(tmp_path, "cpu", "float32", ranks=ranks)
        return logits(model)

    for found in in_ranks(2, shard):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


UP = "model.layers.0.mlp.up_proj"
CHANGED: list[tuple[str, dict[str, torch.Tensor | None], str]] = [
    ("W4A16", {f"{UP}.weight_packed": torch.zeros(256, 15, dtype=torch.int32)}, r"weight_packed is I32 \[256, 15\]"),
    (
        "W4A16",
        {f"{UP}.weight_scale": torch.ones(256, 3)},
        r"weight_scale is F32 \[256, 3\], which no layer of 256 x 128",
    ),
    ("W4A16", {f"{UP}.weight_g_idx": torch.zeros(128, dtype=torch.int32)}, "does not put 32 inputs into each group"),
    ("W8A8", {f"{UP}.weight": torch.zeros(256, 64, dtype=torch.int8)}, r"weight is I8 \[256, 64\]"),
    ("FP8_BLOCK", {f"{UP}.weight_scale": torch.ones(3, 1)}, r"weight_scale is F32 \[3, 1\]"),
    ("deepseek", {f"{UP}.weight_scale_inv": None}, "weight_scale_inv is missing"),
    ("nf4", {f"{UP}.weight.absmax": torch.ones(7)}, "absmax has 7 numbers for blocks of 64"),
    ("nf4", {f"{UP}.weight.quant_map": None}, "weight.quant_map is missing"),
    ("nf4", {f"{UP}.weight.quant_state.bitsandbytes__nf4": None}, "quant_state is missing"),
    (
        "nf4",
        {f"{UP}.weight.quant_state.bitsandbytes__nf4": torch.tensor(list(b"[1]"), dtype=torch.uint8)},
        "quant_state can't be read",
    ),
    (
        "nf4",
        {f"{UP}.weight.quant_state.bitsandbytes__nf4": torch.full((5000,), 91, dtype=torch.uint8)},
        "quant_state is no short text",
    ),
    ("nf4 double", {f"{UP}.weight.nested_absmax": torch.ones(9)}, "nested_absmax has 9 scales"),
    ("nf4 double", {f"{UP}.weight.nested_absmax": None}, "absmax is quantized, and nested_absmax"),
    ("int8", {f"{UP}.weight_format": torch.ones((), dtype=torch.uint8)}, "in a layout for one kind of GPU"),
    ("W4A16", {f"{UP}.bias": torch.zeros(255)}, "another shape than its config says"),
]


@pytest.mark.parametrize(("kind", "changes", "reason"), CHANGED, ids=lambda value: str(value)[:40])
def test_tensors_that_do_not_belong_together_are_refused(
    tmp_path: Path, kind: str, changes: dict[str, torch.Tensor | None], reason: str
) -> None:
    save: Any = save_compressed if kind in SCHEMES else save_float8 if kind in FLOAT8 else save_bitsandbytes
    save(tmp_path, kind)
    edit_weights(tmp_path, changes)
    with pytest.raises(CheckpointError, match=reason):
        load_model(tmp_path, "cpu", "float32")


def group(form: str = "pack-quantized", **weights: Any) -> dict[str, Any]:
    settings = {"num_bits": 4, "type": "int"} | weights
    return {"config_groups": {"group_0": {"targets": ["Linear"], "weights": settings, "format": form}}}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (group("nvfp4-pack-quantized", type="float"), r"'nvfp4-pack-quantized' \(float, 4 bits\) can't be loaded"),
    (group("marlin-24"), "'marlin-24'.* can't be loaded: take its plain weights, or quantize them in one of: FP8"),
    (group(num_bits=3), r"\(int, 3 bits\)"),
    (group(strategy="tensor_group", group_size=16), "scales by 'tensor_group'"),
    (group(strategy="group", group_size="many"), r"group_size is \[1, 'many'\]; expected sizes of at least 1"),
    (group(strategy="block", block_structure=[0, 1]), r"block_structure is \[0, 1\]"),
    ({"config_groups": ["W4A16"]}, "has no config_groups with settings of its layers"),
    ({"quantization_status": "frozen"}, "status 'frozen' can't be loaded: save them with save_compressed=True"),
    ({"sparsity_config": {"format": "sparse-24-bitmask"}}, "sparse weights"),
    ({"transform_config": {"config_groups": {"u": {"type": "hadamard"}}}}, "that are rotated"),
    ({"quant_method": None, "group_size": 64, "bits": 4}, "in the form of Apple's MLX can't be loaded: take a"),
    ({"quant_method": "hqq"}, "weights quantized by hqq can't be loaded: take a checkpoint whose weights are plain"),
    ({"quant_method": "fp8", "weight_block_size": [128]}, r"weight_block_size is \[128\]; expected sizes"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_form_that_is_not_read_is_refused_with_what_to_do(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    save_compressed(tmp_path, "W4A16")
    edit_quantization(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=reason):
        load_model(tmp_path, "cpu", "float32")
