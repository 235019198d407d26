"""Where weights are looked for: in folders and in the hub's cache, never on the network."""

import dataclasses
import json

import pytest
from huggingface_hub import constants

from service.catalog import load_catalog
from service.checkpoints.locate import locate
from service.errors import WeightsMissingError

LLAMA = load_catalog()["@cf/meta/llama-3.1-8b-instruct"]


def fill(folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_a_folder_is_its_own_place(tmp_path):
    folder = fill(tmp_path / "mine")
    assert locate(dataclasses.replace(LLAMA, checkpoint=str(folder))) == folder


def test_a_folder_without_weights_is_told_by_its_path(tmp_path):
    with pytest.raises(WeightsMissingError, match=rf"not on this machine: {tmp_path} has no config\.json"):
        locate(dataclasses.replace(LLAMA, checkpoint=str(tmp_path)))


def test_a_folder_of_pickles_is_refused_with_the_reason(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(WeightsMissingError, match=r"pickles \(pytorch_model.bin\), which can run code"):
        locate(dataclasses.replace(LLAMA, checkpoint=str(tmp_path)))


def cached(hub_cache, commit, **refs):
    """Fills a snapshot of the model's repository, and names it."""
    repo = hub_cache / "models--meta-llama--Llama-3.1-8B-Instruct"
    (repo / "refs").mkdir(parents=True)
    for name, target in refs.items():
        (repo / "refs" / name).write_text(target)
    return fill(repo / "snapshots" / commit)


def test_a_hub_id_is_found_in_the_cache_by_its_commit(hub_cache):
    snapshot = cached(hub_cache, LLAMA.revision)
    assert locate(LLAMA) == snapshot


def test_a_hub_id_is_found_in_the_cache_by_its_branch(hub_cache):
    snapshot = cached(hub_cache, "abc", main="abc")
    assert locate(dataclasses.replace(LLAMA, revision="main")) == snapshot


def test_another_revision_is_not_taken_for_it(hub_cache):
    cached(hub_cache, "abc", main="abc")
    with pytest.raises(WeightsMissingError, match="not on this machine"):
        locate(LLAMA)


def test_a_shard_that_is_missing_is_named_with_the_command(hub_cache):
    snapshot = cached(hub_cache, LLAMA.revision)
    (snapshot / "model.safetensors").rename(snapshot / "model-00001-of-00002.safetensors")
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    weight_map = dict(zip("ab", shards, strict=True))
    (snapshot / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(WeightsMissingError, match=r"00002-of-00002.safetensors is missing. Fetch .* service pull"):
        locate(LLAMA)


def test_a_hub_id_that_is_not_in_the_cache_tells_the_command(hub_cache):
    with pytest.raises(WeightsMissingError, match=f"python -m service pull {LLAMA.id}") as caught:
        locate(LLAMA)
    assert caught.value.metadata["model"] == LLAMA.id
    assert caught.value.metadata["command"] == f"python -m service pull {LLAMA.id}"


def test_the_command_for_a_model_of_ones_own_catalog_names_the_catalog(hub_cache):
    file = hub_cache / "my models.toml"
    keys = ("max_prompt_tokens", "max_completion_tokens", "context_window", "default_max_tokens")
    limits = "".join(f"{key} = 8\n" for key in (*keys, "default_max_tokens_streamed"))
    file.write_text(f'[models."@me/model"]\ndescription = "Mine"\ncheckpoint = "me/model"\n{limits}')
    with pytest.raises(WeightsMissingError) as caught:
        locate(load_catalog(file)["@me/model"])
    command = f"python -m service pull @me/model --catalog '{file}'"
    assert caught.value.metadata["command"] == command
    assert caught.value.message.endswith(command)


def test_a_gguf_file_is_its_own_place_and_that_of_a_folder_with_nothing_else(tmp_path):
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"")
    (tmp_path / "mmproj-mine.gguf").write_bytes(b"")
    for place in (file, tmp_path):
        assert locate(dataclasses.replace(LLAMA, checkpoint=str(place))) == file


def test_safetensors_go_before_a_gguf_file_beside_them(tmp_path):
    folder = fill(tmp_path / "mine")
    (folder / "mine.gguf").write_bytes(b"")
    assert locate(dataclasses.replace(LLAMA, checkpoint=str(folder))) == folder


@pytest.mark.parametrize(
    ("names", "checkpoint", "reason"),
    [
        (["a.gguf", "b.gguf"], "", r"several GGUF files; name one of them as the checkpoint: a\.gguf, b\.gguf"),
        (["a-00001-of-00002.gguf"], "", r"one of 00002 parts: put them together with llama-gguf-split --merge"),
        ([], "a.gguf", r"there is no file .*a\.gguf"),
    ],
)
def test_gguf_files_of_which_none_can_be_taken_are_told_with_what_to_do(tmp_path, names, checkpoint, reason):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(WeightsMissingError, match=reason):
        locate(dataclasses.replace(LLAMA, checkpoint=str(tmp_path / checkpoint)))


def test_a_gguf_file_of_the_hub_is_found_in_the_cache_by_its_name(hub_cache):
    snapshot = cached(hub_cache, LLAMA.revision)
    (snapshot / "model-q4_0.gguf").write_bytes(b"")
    assert locate(dataclasses.replace(LLAMA, gguf_file="model-q4_0.gguf")) == snapshot / "model-q4_0.gguf"
