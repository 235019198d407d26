"""Whether this machine could serve a model, by its architecture and its memory."""

import dataclasses

import pytest

from service.catalog import load_catalog
from service.catalog_adapters import CatalogAdapter, load_catalog_with_adapters
from service.commands.model_table import fits, free_memory, table
from tests.support.adapters import save_adapter
from tests.support.checkpoints import tiny_model

GIB = 1 << 30


@pytest.mark.parametrize(
    ("model", "loaded_bytes", "told"),
    [
        ("@runstream/demo", GIB, "yes"),
        ("@cf/google/gemma-3-12b-it", GIB, "yes"),
        ("@cf/qwen/qwen3-30b-a3b-fp8", GIB, "untried"),
        ("@cf/qwen/qwen3-30b-a3b-fp8", 60 * GIB, "too large"),
        ("@runstream/demo", 0, "?"),
        ("@cf/openai/gpt-oss-20b", GIB, "no"),
    ],
)
def test_a_model_fits_by_its_architecture_and_its_memory(model, loaded_bytes, told):
    assert fits(load_catalog()[model], loaded_bytes, 16 * GIB) == told


def test_a_model_without_measured_sizes_takes_at_least_what_its_name_says(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    models = [load_catalog()[name] for name in ("@cf/meta/llama-3.2-3b-instruct", "@hf/thebloke/zephyr-7b-beta-awq")]
    _, plain, packed = table(models, "cpu")
    assert plain[1:5] == ("missing", "?", "auto", "> 6.00 GB")
    assert packed[4] == "> 3.50 GB"
    assert plain[-1] == "python -m service pull @cf/meta/llama-3.2-3b-instruct"


def test_a_model_of_unknown_size_is_not_guessed():
    unknown = dataclasses.replace(load_catalog()["@runstream/demo"], checkpoint="/nowhere")
    assert table([unknown], "cpu")[1][4:6] == ("?", "?")


def test_free_memory_is_that_of_the_device():
    assert free_memory("cpu") > 0


def test_an_adapter_is_shown_with_its_base(tmp_path):
    folder = save_adapter(tiny_model(), tmp_path / "mine")
    adapters = [CatalogAdapter(name, tmp_path / name, "@runstream/demo") for name in ("mine", "absent")]
    catalog = load_catalog_with_adapters(others=adapters)
    _, here, missing = table([catalog["mine"], catalog["absent"]], "cpu")
    assert here[:2] == ("mine", "here")
    assert here[-1] == f"{folder}, an adapter of @runstream/demo"
    assert missing[:2] == ("absent", "missing")
    assert "adapter_config.json is not there" in missing[-1]
