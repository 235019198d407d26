"""What checkpoints look like on a disk: each loads as the model that it is, or is refused with the reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from service.checkpoints.errors import CheckpointError
from service.engine.weights.load import load_model
from tests.support.checkpoints import LLAMA_3_ROPE, tiny_model

Change = Callable[[dict[str, torch.Tensor]], object]


def load(folder: Path, dtype: str = "float32") -> Any:
    return load_model(folder, "cpu", dtype)


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        output: torch.Tensor = model(torch.tensor([[5, 6, 7, 300, 11]])).logits
        return output


def edit_config(folder: Path, *removed: str, **changes: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in config.items() if name not in removed} | changes))


def edit_weights(folder: Path, change: Change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def model() -> PreTrainedModel:
    return tiny_model().train(mode=False)


def test_shards_with_an_index_load_as_one_file_does(tmp_path: Path, model: PreTrainedModel) -> None:
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    assert torch.equal(logits(load(tmp_path)), logits(model))


def test_a_missing_shard_is_named(tmp_path: Path, model: PreTrainedModel) -> None:
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    (tmp_path / "model-00002-of-00005.safetensors").unlink()
    with pytest.raises(OSError, match=r"model-00002-of-00005\.safetensors"):
        load(tmp_path)


@pytest.mark.parametrize("is_tied", [True, False])
def test_tied_embeddings_load_and_stay_tied(tmp_path: Path, is_tied: bool) -> None:
    model = tiny_model(tie_word_embeddings=is_tied).train(mode=False)
    model.save_pretrained(tmp_path)
    assert ("lm_head.weight" in load_file(tmp_path / "model.safetensors")) != is_tied
    loaded = load(tmp_path)
    assert (loaded.lm_head.weight is loaded.model.embed_tokens.weight) == is_tied
    assert torch.equal(logits(loaded), logits(model))


OLD_LLAMA_3 = {name: value for name, value in LLAMA_3_ROPE.items() if name != "rope_theta"}
SPELLINGS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("llama", {"rope_theta": 2e4, "rope_scaling": None}, {"rope_type": "default", "rope_theta": 2e4}),
    ("llama", {"rope_theta": 500000.0, "rope_scaling": OLD_LLAMA_3}, LLAMA_3_ROPE),
    (
        "llama",
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4},
    ),
    (
        "phi3",
        {"rope_theta": 2e4, "partial_rotary_factor": 0.5, "rope_scaling": None},
        {"rope_type": "default", "rope_theta": 2e4, "partial_rotary_factor": 0.5},
    ),
    (
        "gemma3",
        {"rope_theta": 2e6, "rope_local_base_freq": 2e4, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 2e4},
        },
    ),
]


@pytest.mark.parametrize(("family", "old", "new"), SPELLINGS, ids=lambda value: str(value)[:30])
def test_the_old_spelling_of_rope_means_the_new_one(
    tmp_path: Path, family: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    model = tiny_model(family, rope_parameters=new).train(mode=False)
    model.save_pretrained(tmp_path)
    edit_config(tmp_path, "rope_parameters", **old)
    assert torch.equal(logits(load(tmp_path)), logits(model))


def test_the_stored_precision_is_found_under_its_old_name(tmp_path: Path, model: PreTrainedModel) -> None:
    model.bfloat16().save_pretrained(tmp_path)
    edit_config(tmp_path, "dtype", torch_dtype="bfloat16")
    assert load(tmp_path, "auto").dtype is torch.bfloat16


def test_frequencies_that_old_checkpoints_store_are_left_out(tmp_path: Path, model: PreTrainedModel) -> None:
    model.save_pretrained(tmp_path)
    edit_weights(tmp_path, lambda it: it.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}))
    assert torch.equal(logits(load(tmp_path)), logits(model))


WEIGHTS: list[tuple[Change, str]] = [
    (lambda it: it.pop("lm_head.weight"), "1 weights of the llama model are missing: lm_head.weight"),
    (lambda it: [it.pop(name) for name in list(it) if "layers.1" in name], "9 weights of the llama model are missing"),
    (
        lambda it: it.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(64)}),
        "1 weights of the llama model would not be used: model.layers.0.self_attn.q_proj.bias",
    ),
    (
        lambda it: it.update({"model.norm.weight": torch.ones(32)}),
        "1 weights of the llama model have another shape than its config says: model.norm.weight",
    ),
]


@pytest.mark.parametrize(("change", "reason"), WEIGHTS, ids=["no head", "no layer", "a bias", "a shape"])
def test_weights_that_do_not_fit_the_config_are_refused(
    tmp_path: Path, model: PreTrainedModel, change: Change, reason: str
) -> None:
    model.save_pretrained(tmp_path)
    edit_weights(tmp_path, change)
    with pytest.raises(CheckpointError, match=reason):
        load(tmp_path)


WRONG_ROPES = [
    ({"rope_type": "wizard", "rope_theta": 1e4}, "the rope type 'wizard', which transformers .* it knows default, dyn"),
    ({"rope_type": "llama3", "rope_theta": 1e4}, "low_freq_factor"),
]


@pytest.mark.parametrize(("rope", "reason"), WRONG_ROPES, ids=["unknown", "incomplete"])
def test_rope_that_transformers_does_not_know_is_refused(
    tmp_path: Path, model: PreTrainedModel, rope: dict[str, Any], reason: str
) -> None:
    model.save_pretrained(tmp_path)
    edit_config(tmp_path, rope_parameters=rope)
    with pytest.raises(CheckpointError, match=f"config.json can't be used: .*{reason}"):
        load(tmp_path)


def test_an_activation_that_transformers_does_not_know_is_refused(tmp_path: Path, model: PreTrainedModel) -> None:
    model.save_pretrained(tmp_path)
    edit_config(tmp_path, hidden_act="spell")
    with pytest.raises(CheckpointError, match=r"the activation 'spell', which transformers .* does not know"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["vocab_size", "intermediate_size", "num_hidden_layers"])
def test_a_config_that_tells_of_more_than_the_weights_takes_no_memory(
    tmp_path: Path, model: PreTrainedModel, name: str
) -> None:
    model.save_pretrained(tmp_path)
    edit_config(tmp_path, **{name: 1 << 40})
    with pytest.raises(CheckpointError, match=f"its config has {name} {1 << 40}, and its weights are fewer than that"):
        load(tmp_path)


def test_a_config_larger_than_any_is_not_read(tmp_path: Path, model: PreTrainedModel) -> None:
    model.save_pretrained(tmp_path)
    with (tmp_path / "config.json").open("r+b") as file:
        file.truncate(1 << 30)
    with pytest.raises(CheckpointError, match=r"config\.json has 1073741824 bytes; at most 16777216 are read"):
        load(tmp_path)


def test_an_encoder_and_decoder_is_refused(tmp_path: Path) -> None:
    AutoConfig.for_model("t5").save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="models of type t5 have an encoder"):
        load(tmp_path)


def test_code_from_a_checkpoint_is_never_run(tmp_path: Path, model: PreTrainedModel) -> None:
    model.save_pretrained(tmp_path)
    edit_config(tmp_path, model_type="its_own", auto_map={"AutoConfig": "own.Config"})
    (tmp_path / "own.py").write_text("raise SystemExit('this ran')")
    with pytest.raises(CheckpointError, match=r"no model type 'its_own', and the code that .* is never run"):
        load(tmp_path)


def test_a_model_type_that_transformers_does_not_know_is_told(tmp_path: Path, model: PreTrainedModel) -> None:
    model.save_pretrained(tmp_path)
    edit_config(tmp_path, model_type="of_tomorrow")
    with pytest.raises(CheckpointError, match=r"transformers \S+ has no model type 'of_tomorrow'$"):
        load(tmp_path)


def test_a_pickle_is_not_taken_for_a_checkpoint(tmp_path: Path, model: PreTrainedModel) -> None:
    model.config.save_pretrained(tmp_path)
    torch.save(AutoModelForCausalLM.from_config(model.config).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        load(tmp_path)
