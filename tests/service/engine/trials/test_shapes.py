"""A model's matrices are known from its config before anything is loaded."""

import json
from pathlib import Path

import pytest
import torch

from service.engine.trials.shapes import matrices_of, num_layers_of
from tests.support.checkpoints import save_tiny_model, tiny_model


@pytest.mark.parametrize("family", ["llama", "qwen3", "phi3", "gemma2"])
def test_as_many_numbers_as_the_loaded_model_has(tmp_path: Path, family: str) -> None:
    config = json.loads((save_tiny_model(tmp_path, family) / "config.json").read_text())
    linears = [it for it in tiny_model(family).modules() if isinstance(it, torch.nn.Linear)]
    told = sum(it.outputs * it.inputs * it.num_layers for it in matrices_of(config))
    assert told == sum(it.weight.numel() for it in linears)


@pytest.mark.parametrize("config", [{}, {"hidden_size": "wide"}, {"text_config": None}])
def test_a_config_that_tells_too_little_has_none(config: dict[str, object]) -> None:
    assert matrices_of(config) == []


@pytest.mark.parametrize(
    ("config", "num_layers"),
    [
        ({"num_hidden_layers": 32}, 32),
        ({"text_config": {"num_hidden_layers": 26}, "num_hidden_layers": 1}, 26),
        ({}, 0),
        ({"text_config": "none"}, 0),
        ({"num_hidden_layers": "many"}, 0),
    ],
)
def test_a_config_tells_the_number_of_layers(config: dict[str, object], num_layers: int) -> None:
    assert num_layers_of(config) == num_layers
