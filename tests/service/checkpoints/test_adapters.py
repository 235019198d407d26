"""LoRA adapters on the disk: what of PEFT's files is read, and what is refused before any weight is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file, save_file

from service.checkpoints import adapters
from service.checkpoints.adapter_config import MAX_CONFIG_BYTES, read_adapter_config
from service.checkpoints.adapters import MAX_ADAPTERS, WEIGHTS, read_adapters
from service.checkpoints.errors import CheckpointError
from service.checkpoints.need import need_of
from service.engine.lora.attach import attach_adapters
from service.engine_protocol.engine_config import AdapterSource, EngineConfig
from tests.support.adapters import save_adapter, sources
from tests.support.checkpoints import save_tiny_model, tiny_model

NAMES = [
    f"model.layers.{layer}.{part}"
    for layer in (0, 1, 11)
    for part in ("self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj", "mlp.down_proj")
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return save_adapter(base, tmp_path)


def change(folder: Path, **settings: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / WEIGHTS)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"peft_type": "IA3"}, "peft_type 'IA3'; only LORA"),
        ({"use_dora": True}, "it has DoRA"),
        ({"bias": "lora_only"}, 'biases \\(bias = "lora_only"\\)'),
        ({"lora_bias": True}, "biases of its low-rank matrices"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"trainable_token_indices": [1]}, "embeddings of its own"),
        ({"layer_replication": [[0, 1], [0, 1]]}, "layers that stand several times"),
        ({"fan_in_fan_out": True}, "transposed"),
        ({"target_parameters": ["mlp.experts"]}, "target_parameters"),
        ({"init_lora_weights": "pissa"}, "its training began with 'pissa'"),
        ({"kasa_config": {"beta": 1}}, "sets kasa_config, which is not known here"),
        ({"r": 0}, "a rank is 0; it may be 1 to 256"),
        ({"r": 257}, "a rank is 257; it may be 1 to 256"),
        ({"r": "8"}, "a rank is '8'"),
        ({"rank_pattern": {"q_proj": 400}}, "a rank is 400"),
        ({"lora_alpha": "many"}, "an alpha is 'many'"),
        ({"lora_alpha": float("nan")}, "an alpha is nan"),
        ({"target_modules": None}, "target_modules is missing"),
        ({"target_modules": [1]}, "a list of texts"),
        ({"target_modules": "("}, "adapter_config.json can't be used"),
        ({"rank_pattern": {"(": 4}}, "adapter_config.json can't be used"),
        ({"rank_pattern": [4]}, "adapter_config.json can't be used"),
        ({"layers_to_transform": ["one"]}, "numbers of layers"),
        ({"r": 5}, "are of rank 4, and its config says 5"),
        ({"target_modules": ["q_proj"]}, "v_proj, which its target_modules leave out"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_not_done_is_refused(adapter: Path, settings: dict[str, Any], reason: str) -> None:
    change(adapter, **settings)
    with pytest.raises(CheckpointError, match=f"the LoRA adapter it can't be served: .*{reason}"):
        read_adapters(sources(it=adapter))


def _rename(key: str) -> Callable[[dict[str, torch.Tensor]], None]:
    def rename(weights: dict[str, torch.Tensor]) -> None:
        weights[f"base_model.model.model.layers.0.{key}"] = weights.pop(sorted(weights)[0])

    return rename


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (_rename("self_attn.q_proj.lora_magnitude_vector"), "it has DoRA's magnitudes"),
        (_rename("self_attn.q_proj.lora_B.bias"), "it has biases of its low-rank matrices"),
        (_rename("embed_tokens.lora_embedding_A"), "it has matrices for embeddings"),
        (_rename("self_attn.q_proj.weight"), "it has a weight of its own"),
        (lambda weights: weights.clear(), "it has no weights"),
        (lambda weights: weights.pop(sorted(weights)[0]), "no pair of LoRA's"),
        (lambda weights: weights.update({sorted(weights)[0]: torch.zeros(3, 64)}), "no pair of LoRA's"),
        (lambda weights: weights.update({sorted(weights)[0]: torch.zeros(4, 64, dtype=torch.int8)}), "of type I8"),
    ],
)
def test_other_weights_are_refused(
    adapter: Path, changed: Callable[[dict[str, torch.Tensor]], None], reason: str
) -> None:
    change_weights(adapter, changed)
    with pytest.raises(CheckpointError, match=reason):
        read_adapters(sources(it=adapter))


def test_files_that_are_not_there_or_can_not_be_read(adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(CheckpointError, match=r"adapter_config\.json is not there: an adapter is a folder"):
        read_adapters(sources(it=tmp_path_factory.mktemp("empty")))
    (adapter / WEIGHTS).write_bytes(b"\xff" * 64)
    with pytest.raises(CheckpointError, match="no whole safetensors file"):
        read_adapters(sources(it=adapter))
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    with pytest.raises(CheckpointError, match=r"adapter_model\.bin is a pickle"):
        read_adapters(sources(it=adapter))
    (adapter / "adapter_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="can't be read"):
        read_adapters(sources(it=adapter))


def test_sizes_are_known_before_anything_is_read(adapter: Path) -> None:
    with (adapter / WEIGHTS).open("r+b") as file:  # a hole, which takes nothing of the disk
        file.truncate(adapters.MAX_FILE_BYTES + 1)
    with pytest.raises(CheckpointError, match=r"has 2\.15 GB; at most 2\.15 GB are read"):
        read_adapters(sources(it=adapter))
    (adapter / "adapter_config.json").write_text(" " * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(CheckpointError, match="at most 1048576 are read"):
        read_adapters(sources(it=adapter))


def test_there_may_not_be_more_than_a_model_may_have(tmp_path: Path) -> None:
    many = tuple(AdapterSource(str(place), tmp_path) for place in range(MAX_ADAPTERS + 1))
    with pytest.raises(CheckpointError, match="65 adapters are asked for beside one model; it may have 64"):
        read_adapters(many)


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["q_proj", "up_proj"]},
        {"target_modules": ["model.layers.1.mlp.up_proj"]},
        {"target_modules": r".*\.(1|11)\..*proj"},
        {"target_modules": r".*proj", "exclude_modules": ["v_proj"]},
        {"target_modules": ["proj", "up_proj"], "exclude_modules": r".*\.0\..*"},
        {"target_modules": ["q_proj"], "layers_to_transform": 1},
        {"target_modules": ["q_proj"], "layers_to_transform": [0, 11], "layers_pattern": "layers"},
        {"target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": ["h", "blocks"]},
    ],
    ids=str,
)
def test_targets_are_those_of_peft(tmp_path: Path, settings: dict[str, Any]) -> None:
    LoraConfig(**settings).save_pretrained(str(tmp_path))
    config, theirs = read_adapter_config(tmp_path), LoraConfig.from_pretrained(str(tmp_path))
    assert [config.is_target(name) for name in NAMES] == [_is_target(theirs, name) for name in NAMES]


def _is_target(config: Any, name: str) -> bool:
    """What PEFT says; an excluded layer is an object that is false."""
    try:
        return bool(check_target_module_exists(config, name))
    except UnboundLocalError:  # no pattern of several is there: PEFT 0.21 forgets that it looked
        return False


@pytest.mark.parametrize(
    "pattern", ["q_proj", r"layers\.1\..*", "model.layers.11.mlp.up_proj", "proj", "^model.*0.*q_proj"]
)
def test_ranks_by_pattern_are_those_of_peft(tmp_path: Path, pattern: str) -> None:
    patterns = {pattern: 3, "v_proj": 5}
    LoraConfig(r=8, target_modules=r".*proj", rank_pattern=patterns).save_pretrained(str(tmp_path))
    config = read_adapter_config(tmp_path)
    expected = [patterns.get(get_pattern_key(list(patterns), name), 8) for name in NAMES]
    assert [config.rank_of(name) for name in NAMES] == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hidden_size": 32}, "are for 64 inputs and 64 outputs, and that layer of its base has others"),
        ({"num_hidden_layers": 1}, r"its base has no linear layer model\.layers\.1\.self_attn\.[qv]_proj"),
        ({"num_hidden_layers": 3}, r"the matrices of 2 of its layers are missing, such as model\.layers\.2"),
    ],
    ids=str,
)
def test_an_adapter_of_another_base_is_refused(adapter: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason):
        attach_adapters(tiny_model(**changes), EngineConfig(Path("unused"), adapters=sources(it=adapter)))


def test_an_adapter_for_another_type_of_model_is_refused(adapter: Path) -> None:
    change(adapter, model_type="mistral")  # as Cloudflare asks for
    with pytest.raises(CheckpointError, match="it is for models of type mistral, and its base is of type llama"):
        attach_adapters(tiny_model(), EngineConfig(Path("unused"), adapters=sources(it=adapter)))


def test_the_head_can_not_be_changed(adapter: Path) -> None:
    change(adapter, target_modules=["lm_head"])
    (adapter / WEIGHTS).unlink()
    sides = {"A": torch.zeros(4, 64), "B": torch.zeros(320, 4)}
    save_file({f"base_model.model.lm_head.lora_{it}.weight": side for it, side in sides.items()}, adapter / WEIGHTS)
    with pytest.raises(CheckpointError, match="it changes the head, lm_head"):
        attach_adapters(tiny_model(), EngineConfig(Path("unused"), adapters=sources(it=adapter)))


@pytest.mark.parametrize(
    ("told", "folder", "is_told"),
    [
        ("org/base", "/hub/models--org--base/snapshots/1234", False),
        ("org/base", "/models/base", False),
        ("/home/somebody/base", "/models/other", False),
        ("org/base", "/hub/models--org--other/snapshots/1234", True),
    ],
)
def test_another_base_of_the_same_sizes_is_warned_of(
    adapter: Path, told: str, folder: str, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    change(adapter, base_model_name_or_path=told)
    attach_adapters(tiny_model(), EngineConfig(Path(folder), adapters=sources(it=adapter)))
    expected = f"the LoRA adapter it was trained on {told}, and its base here is {folder}"
    assert [message for message in caplog.messages if "adapter" in message] == [expected] * is_told


def test_a_model_needs_the_memory_of_its_adapters(base: Path, adapter: Path, tmp_path: Path) -> None:
    larger = save_adapter(base, tmp_path / "larger", r=6)
    plain = need_of(EngineConfig(base, dtype="float32")).weights_bytes
    both = need_of(EngineConfig(base, dtype="float32", adapters=sources(a=adapter, b=larger))).weights_bytes
    assert both - plain == 2 * 2 * 6 * (64 + 64 + 64 + 32) * 4  # adapters, layers, rank, q and v, bytes
