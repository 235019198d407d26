"""Which files of a repository or a folder are a checkpoint."""

import json
from pathlib import Path

import pytest

from service.checkpoints.errors import CheckpointError
from service.checkpoints.files import missing_files, needed_files, weight_files

SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = "model.safetensors.index.json"
MISTRAL = [
    *("config.json", "generation_config.json", "params.json", "tekken.json", "tokenizer.json", "tokenizer.model"),
    *("consolidated.safetensors", "pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json", "README.md"),
    *(INDEX, *SHARDS, "original/consolidated.00.pth", "onnx/config.json", "model.fp32.safetensors"),
]


def test_one_form_of_the_weights_is_fetched_with_configs_and_tokenizer() -> None:
    others = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer.model"]
    assert set(needed_files(MISTRAL)) == {INDEX, *SHARDS, *others}


def test_a_tokenizer_model_alone_is_fetched_too() -> None:
    needed = ["config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"]
    assert needed_files(needed) == needed


def test_one_file_with_all_weights_goes_before_shards() -> None:
    needed = ["config.json", "model.safetensors", "tokenizer.json"]
    assert needed_files([*needed, INDEX, *SHARDS]) == needed


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["model.safetensors"], "no config.json"),
        (["config.json", "model.safetensors", "tekken.json"], r"neither tokenizer\.json nor tokenizer\.model, the"),
        (["config.json", "tokenizer.json", "pytorch_model.bin"], "only there as pickles"),
        (
            ["config.json", "tokenizer.json", "consolidated.safetensors"],
            r"own code \(consolidated\.safetensors\)",
        ),
        (["config.json", "tokenizer.json"], "neither model.safetensors nor"),
        (["config.json", "tokenizer.json", *SHARDS], "neither model.safetensors nor"),
    ],
)
def test_a_repository_without_usable_weights_is_refused(names: list[str], reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason):
        needed_files(names)


def test_of_a_repository_of_gguf_files_the_named_one_is_fetched_alone() -> None:
    names = ["README.md", "model-q4_0.gguf", "model-q8_0.gguf"]
    assert needed_files(names, "model-q8_0.gguf") == ["model-q8_0.gguf"]
    with pytest.raises(CheckpointError, match=r"set gguf_file in the catalog to one of model-q4_0\.gguf, model-q8_0"):
        needed_files(names)
    with pytest.raises(CheckpointError, match=r"it has no model\.gguf, but model-q4_0\.gguf, model-q8_0\.gguf"):
        needed_files(names, "model.gguf")


def test_a_folder_lacks_the_shards_that_its_index_names(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / SHARDS[0]).write_bytes(b"")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": dict(zip("ab", SHARDS, strict=True))}))
    assert missing_files(tmp_path) == [SHARDS[1]]


def test_weights_of_another_name_are_not_read(tmp_path: Path) -> None:
    """Mistral's repositories have them all once more, as consolidated.safetensors."""
    (tmp_path / "config.json").write_text("{}")
    assert missing_files(tmp_path) == ["model.safetensors"]
    (tmp_path / "consolidated.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="laid out for Mistral's or Meta's own code"):
        missing_files(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert (missing_files(tmp_path), weight_files(tmp_path)) == ([], [tmp_path / "model.safetensors"])


def test_an_index_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / SHARDS[0]).write_bytes(b"")
    (tmp_path / INDEX).write_text("[]")
    with pytest.raises(CheckpointError, match=r"index\.json can't be read"):
        missing_files(tmp_path)


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", ""])
def test_a_list_of_shards_names_only_files_beside_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match="which is no file beside it"):
        missing_files(tmp_path)


FOREIGN = [
    (["adapter_config.json", "adapter_model.safetensors"], "it is a LoRA adapter .* name its base model as the"),
    (["params.json", "consolidated.00.pth", "tokenizer.model"], r"own code \(consolidated\.00\.pth\)"),
    (["params.json", "consolidated.safetensors", "tekken.json"], "convert them with python -m transformers.models"),
    (["config.json", "pytorch_model.bin"], r"pickles \(pytorch_model.bin\), which can run code"),
    (["config.json", "tf_model.h5"], r"TensorFlow's \(tf_model\.h5\): take a repository that has them as model\.safe"),
    (["config.json", "flax_model.msgpack"], "Flax's"),
    (["config.json", "model.onnx"], "an ONNX graph"),
    (["config.json", "openvino_model.xml"], "OpenVINO's"),
    (["config.json", "rank0.engine"], "an engine of TensorRT-LLM"),
    (["config.json", "weights.npz"], "MLX or NumPy"),
    (["llama-2-7b.ggmlv3.q4_0.bin"], "of a form before GGUF"),
    (["model_index.json"], "diffusers"),
]


@pytest.mark.parametrize(("names", "reason"), FOREIGN, ids=lambda value: str(value)[:40])
def test_weights_of_others_are_refused_by_their_form(tmp_path: Path, names: list[str], reason: str) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=reason):
        missing_files(tmp_path)
    with pytest.raises(CheckpointError, match=reason):
        needed_files([*names, "tokenizer.json"])


def test_a_folder_that_is_not_there_lacks_its_config(tmp_path: Path) -> None:
    assert missing_files(tmp_path / "none") == ["config.json"]
