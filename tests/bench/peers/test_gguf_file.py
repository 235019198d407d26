"""A GGUF file means the checkpoint that it was converted from."""

from pathlib import Path

import pytest
import torch

from bench.peers.checkpoint import save_plain
from bench.peers.gguf_file import kind_of, save_gguf
from service.engine.weights.load import load_model
from tests.support.checkpoints import tiny_model


@pytest.mark.parametrize(("kind", "tolerance"), [("F32", 1e-5), ("Q8_0", 0.05)])
def test_the_file_gives_the_logits_of_the_checkpoint(tmp_path: Path, kind: str, tolerance: float):
    checkpoint, ids = tmp_path / "plain", torch.arange(3, 20)[None]
    save_plain(checkpoint, tiny_model(hidden_size=128, intermediate_size=256))
    save_gguf(tmp_path / "model.gguf", checkpoint, kind)
    with torch.inference_mode():
        plain, converted = (
            load_model(path, "cpu", "float32")(ids).logits for path in (checkpoint, tmp_path / "model.gguf")
        )
    assert ((converted - plain).norm() / plain.norm()).item() < tolerance


def test_word_embeddings_have_8_bits_beside_matrices_of_4():
    assert kind_of("output", 2, "Q4_0") == kind_of("token_embd", 2, "Q4_0") == "Q8_0"
    assert kind_of("blk.0.attn_q", 2, "Q4_0") == "Q4_0"
    assert kind_of("output_norm", 1, "Q4_0") == "F32"
