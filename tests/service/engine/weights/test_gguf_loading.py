"""GGUF files compute what their weights mean in transformers' own classes, and what its own loader makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import quantize
from transformers import AutoModelForCausalLM, PreTrainedModel

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import KINDS as KINDS_BY_NUMBER
from service.engine.linears.codes import CodesLinear
from service.engine.linears.quantized import GroupedLinear
from service.engine.weights.gguf_layers import GgufLayer
from service.engine.weights.load import load_model
from tests.support.gguf_checkpoints import ARCHITECTURES, KINDS, save_tiny_gguf

TOKEN_IDS = torch.tensor([[(step * 37 + 5) % 320 for step in range(60)]])


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        output: torch.Tensor = model(TOKEN_IDS).logits.float()
        return output


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_each_family_has_the_config_and_the_weights_that_were_written(tmp_path: Path, family: str) -> None:
    path = tmp_path / "model.gguf"
    expected = save_tiny_gguf(path, family)
    model = load_model(path, "cpu", "auto")
    assert model.dtype is torch.float32
    assert difference(logits(model), logits(expected)) < 1e-6


@pytest.mark.parametrize("family", ["llama", "qwen2", "phi3", "gemma2"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_weights_means_what_the_package_reads(tmp_path: Path, family: str, kind: str) -> None:
    path = tmp_path / "model.gguf"
    expected = save_tiny_gguf(path, family, kind)
    model = load_model(path, "cpu", "float32")
    assert difference(logits(model), logits(expected)) < 1e-5


@pytest.mark.parametrize(("kind", "bits"), [("Q8_0", 8), ("Q4_0", 4), ("Q4_1", 4)])
def test_kinds_with_a_packed_form_stay_packed(tmp_path: Path, kind: str, bits: int) -> None:
    path = tmp_path / "model.gguf"
    save_tiny_gguf(path, "qwen3", kind)
    model = load_model(path, "cpu", "float32")
    packed = [module for module in model.modules() if isinstance(module, CodesLinear)]
    assert {(module.matrix.fields.bits, module.matrix.fields.group_size) for module in packed} == {(bits, 32)}
    assert len(packed) == 14


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q4_K"])
def test_without_a_dtype_plain_weights_keep_theirs_and_codes_are_computed_with_in_bfloat16(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "model.gguf"
    expected = save_tiny_gguf(path, "llama", kind)
    model = load_model(path, "cpu", "auto")
    assert model.dtype is (torch.float16 if kind == "F16" else torch.bfloat16)
    assert difference(logits(model), logits(expected)) < 0.05


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K"])
def test_tokens_are_those_of_transformers_own_loader(tmp_path: Path, family: str, kind: str) -> None:
    save_tiny_gguf(tmp_path / "model.gguf", family, kind)
    theirs: Any = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32)
    ours = load_model(tmp_path / "model.gguf", "cpu", "float32")
    assert difference(logits(ours), logits(theirs)) < 1e-5
    tokens = [as_any(model).generate(TOKEN_IDS, max_new_tokens=24, do_sample=False) for model in (ours, theirs)]
    assert torch.equal(*tokens)


def as_any(model: PreTrainedModel) -> Any:
    """A model whose methods mypy takes for tensors."""
    return model


def test_plain_weights_of_a_file_can_become_int8_and_packed_ones_can_not(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    expected = save_tiny_gguf(path, "llama", "F16")
    model = load_model(path, "cpu", "float32", "int8")
    assert sum(isinstance(module, CodesLinear) for module in model.modules()) == 14
    assert difference(logits(model), logits(expected)) < 0.1
    save_tiny_gguf(path, "llama", "Q8_0")
    with pytest.raises(CheckpointError, match="are quantized already: leave quantization out"):
        load_model(path, "cpu", "float32", "int8")


def test_a_block_of_equal_weights_keeps_them(tmp_path: Path) -> None:
    """Its scale is 0 in Q4_1, and all of it is in the offset."""
    blocks = quantize(np.full((16, 64), 0.3, np.float32), GGMLQuantizationType.Q4_1)
    layer = GgufLayer(torch.nn.Linear(64, 16, bias=False), KINDS_BY_NUMBER[GGMLQuantizationType.Q4_1])
    layer.weight = torch.from_numpy(blocks)
    plain = layer.to_linear(torch.float32, lambda bits: GroupedLinear)
    assert isinstance(plain, GroupedLinear)
    assert torch.equal(plain.dequantized(torch.float32), torch.full((16, 64), float(np.float16(0.3))))
