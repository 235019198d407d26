"""Where weights are looked for: in folders and in the hub's cache, never on the network."""

import dataclasses

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
    with pytest.raises(WeightsMissingError, match=f"safetensors in {tmp_path}"):
        locate(dataclasses.replace(LLAMA, checkpoint=str(tmp_path)))


def test_a_hub_id_is_found_in_the_cache(hub_cache):
    repo = hub_cache / "models--meta-llama--Llama-3.1-8B-Instruct"
    snapshot = fill(repo / "snapshots" / "abc")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc")
    assert locate(LLAMA) == snapshot


def test_a_hub_id_that_is_not_in_the_cache_tells_the_command(hub_cache):
    with pytest.raises(WeightsMissingError, match=r"hf download meta-llama/Llama-3\.1-8B-Instruct") as caught:
        locate(LLAMA)
    assert caught.value.metadata["model"] == LLAMA.id
