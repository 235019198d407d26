"""int8 weights are those that optimum-quanto makes, whether at load or ahead."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from optimum.quanto import freeze, qint8, quantization_map, quantize, requantize
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from service.checkpoints.errors import CheckpointError
from service.engine.linears.codes import CodesLinear
from service.engine.weights.load import load_model
from service.engine.weights.quantize import quantize_checkpoint
from tests.support.checkpoints import save_tiny_model, tiny_model
from tests.support.quantized_checkpoints import save_awq

TOKEN_IDS = torch.tensor([[5, 6, 7, 300, 11, 42]])


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        output: torch.Tensor = model(TOKEN_IDS).logits.float()
        return output


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """In shards, as real ones are; in float32, in which nothing rounds after the quantization."""
    folder = tmp_path / "model"
    tiny_model("qwen2").save_pretrained(folder, max_shard_size="100KB")
    return folder


@pytest.fixture
def by_quanto(source: Path) -> PreTrainedModel:
    """The checkpoint as optimum-quanto quantizes it by itself."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(source)
    quantize(model, weights=qint8, exclude="lm_head")
    freeze(model)
    return model.train(mode=False)


def test_plain_weights_are_quantized_while_they_load(source: Path, by_quanto: PreTrainedModel) -> None:
    loaded = load_model(source, "cpu", "float32", "int8")
    assert difference(logits(loaded), logits(by_quanto)) < 1e-5
    codes: Any = by_quanto.get_submodule("model.layers.1.mlp.down_proj").weight
    layer = loaded.get_submodule("model.layers.1.mlp.down_proj")
    assert isinstance(layer, CodesLinear)
    assert torch.equal(layer.dequantized(torch.float32), codes.dequantize())


def test_the_head_and_the_embeddings_stay_as_they_are(source: Path) -> None:
    loaded: Any = load_model(source, "cpu", "float32", "int8")
    plain: Any = load_model(source, "cpu", "float32")
    assert torch.equal(loaded.lm_head.weight, plain.lm_head.weight)
    assert torch.equal(loaded.model.embed_tokens.weight, plain.model.embed_tokens.weight)


def test_weights_quantized_ahead_are_those_of_quantizing_at_load(source: Path) -> None:
    target = quantize_checkpoint(source, lambda done, total: None)
    assert target == source.with_name("model-int8")
    at_load = logits(load_model(source, "cpu", "float32", "int8"))
    for quantization in ("int8", ""):  # it is recognised by itself
        assert torch.equal(logits(load_model(target, "cpu", "float32", quantization)), at_load)


def test_optimum_reads_what_was_quantized_ahead(source: Path, by_quanto: PreTrainedModel) -> None:
    target = quantize_checkpoint(source, lambda done, total: None)
    tensors = {name: it for file in target.glob("*.safetensors") for name, it in load_file(file).items()}
    model: Any = AutoModelForCausalLM.from_config(by_quanto.config, dtype=torch.float32)
    requantize(model, tensors, json.loads((target / "quanto_qmap.json").read_text()))
    assert difference(logits(model.train(mode=False)), logits(by_quanto)) < 1e-5


def test_the_scales_of_activations_that_quanto_stores_are_left_out_without_a_word(
    source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = quantize_checkpoint(source, lambda done, total: None)
    logger = logging.getLogger("transformers")  # hands nothing on to the root
    logger.addHandler(caplog.handler)
    load_model(target, "cpu", "float32", "int8")
    logger.removeHandler(caplog.handler)
    assert not caplog.records


def test_what_optimum_quantized_and_saved_is_served(tmp_path: Path, by_quanto: PreTrainedModel) -> None:
    from safetensors.torch import save_file

    by_quanto.config.save_pretrained(tmp_path)
    save_file(by_quanto.state_dict(), tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "quanto_qmap.json").write_text(json.dumps(quantization_map(by_quanto)))
    assert difference(logits(load_model(tmp_path, "cpu", "float32")), logits(by_quanto)) < 1e-5


def test_progress_ends_at_all_bytes_and_the_card_tells_what_was_done(source: Path) -> None:
    told: list[tuple[int, int]] = []
    target = quantize_checkpoint(source, lambda done, total: told.append((done, total)))
    assert 0.9 < told[-1][0] / told[-1][1] <= 1
    card = (target / "README.md").read_text()
    assert "14 linear layers are int8" in card
    assert re.search(r"optimum-quanto \d", card)
    assert not list(source.parent.glob("*.partial"))


def test_nothing_is_written_over(source: Path) -> None:
    target = quantize_checkpoint(source, lambda done, total: None)
    with pytest.raises(FileExistsError, match=f"{target} is there already: delete it"):
        quantize_checkpoint(source, lambda done, total: None)


def test_quantized_weights_are_not_quantized_again(tmp_path: Path) -> None:
    save_awq(tmp_path / "model", 32)
    with pytest.raises(CheckpointError, match="are awq already: name a checkpoint of plain ones"):
        quantize_checkpoint(tmp_path / "model", lambda done, total: None)


def test_an_interrupted_run_leaves_nothing_behind(source: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize_checkpoint(source, interrupt)
    assert [path.name for path in source.parent.iterdir()] == ["model"]


def test_a_bias_that_the_class_does_not_have_is_refused_as_with_plain_weights(tmp_path: Path) -> None:
    save_tiny_model(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.layers.0.self_attn.q_proj.bias"] = torch.ones(64)
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="1 weights of the llama model would not be used"):
        load_model(tmp_path, "cpu", "float32", "int8")


CONTRADICTIONS = [
    ("plain", "awq", r"says that the weights are awq, but \S+ has no quantization_config of awq"),
    ("plain", "gptq", "name a checkpoint that has, or leave quantization out"),
    ("awq", "gptq", r'weights are gptq, but those of \S+ are awq: set quantization = "awq"'),
    ("awq", "int8", 'set quantization = "awq"'),
]


@pytest.mark.parametrize(("stored", "wanted", "reason"), CONTRADICTIONS)
def test_a_catalog_that_contradicts_the_checkpoint_is_refused(
    tmp_path: Path, stored: str, wanted: str, reason: str
) -> None:
    if stored == "plain":
        save_tiny_model(tmp_path)
    else:
        save_awq(tmp_path, 32)
    with pytest.raises(CheckpointError, match=reason):
        load_model(tmp_path, "cpu", "float32", wanted)


@pytest.mark.parametrize(("weights", "activations"), [("qint4", "none"), ("qint8", "qint8")])
def test_other_kinds_of_quanto_are_refused(source: Path, weights: str, activations: str) -> None:
    kind = {"weights": weights, "activations": activations}
    (source / "quanto_qmap.json").write_text(json.dumps({"model.layers.0.mlp.up_proj": kind}))
    with pytest.raises(CheckpointError, match="only qint8 weights with plain activations can be loaded"):
        load_model(source, "cpu", "float32")
