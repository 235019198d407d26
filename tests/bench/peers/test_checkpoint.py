"""The checkpoints mean the weights that they were made of."""

from pathlib import Path
from typing import Any

import torch

from bench.peers.checkpoint import GROUP_SIZE, num_weights, save_awq, save_plain
from service.engine.weights.load import load_model
from tests.support.checkpoints import tiny_model

_SIZES: dict[str, Any] = {"hidden_size": 128, "intermediate_size": 256, "tie_word_embeddings": True}


def test_4_bits_are_the_weights_to_the_nearest_code(tmp_path: Path):
    model = tiny_model(**_SIZES)
    weight = model.get_parameter("model.layers.0.mlp.gate_proj.weight").detach()
    save_awq(tmp_path, model)
    loaded = load_model(tmp_path, "cpu", "float32")
    with torch.inference_mode():
        found = loaded.get_submodule("model.layers.0.mlp.gate_proj")(torch.eye(GROUP_SIZE)).T
    steps = (weight.amax(-1) - weight.amin(-1)) / 15
    assert ((found - weight).abs() <= 0.55 * steps[:, None] + 1e-4).all()


def test_weights_of_layers_and_head_are_counted(tmp_path: Path):
    model = tiny_model(**_SIZES)
    save_plain(tmp_path, model)
    counted, embedded = num_weights(tmp_path), model.config.vocab_size * 128
    norms = sum(parameter.numel() for parameter in model.parameters() if parameter.ndim == 1)
    assert counted == {"layers": model.num_parameters() - embedded - norms, "head": embedded}
