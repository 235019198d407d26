"""A loaded model on its way to its device."""

import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from service.engine.weights.placing import conversion_shown, place
from tests.support.checkpoints import save_tiny_model, tiny_model


def test_every_tensor_gets_to_the_device() -> None:
    model = tiny_model("llama-3.1")
    place(model, "meta")
    assert {tensor.device.type for tensor in (*model.parameters(), *model.buffers())} == {"meta"}


def test_tied_weights_stay_tied_and_count_once(capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_model(tie_word_embeddings=True)
    num_bytes = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    place(model, "cpu", shown_after_s=0)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert f"{num_bytes / 1e3:.0f}k/{num_bytes / 1e3:.0f}k" in capsys.readouterr().err


def test_the_bar_tells_how_fast_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    place(tiny_model(), "cpu", shown_after_s=0)
    assert "B/s]" in capsys.readouterr().err


def test_the_pass_that_converts_weights_is_shown_by_their_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    num_bytes = sum(parameter.nbytes for parameter in tiny_model().parameters())
    save_tiny_model(tmp_path)
    capsys.readouterr()
    with conversion_shown(tmp_path, shown_after_s=0):
        AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert re.search(rf"reading: 100%.* {num_bytes / 1e3:.0f}k/{num_bytes / 1e3:.0f}k", capsys.readouterr().err)


def test_a_toy_is_loaded_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    place(tiny_model(), "cpu")
    assert not capsys.readouterr().err


def test_weights_are_not_changed() -> None:
    model, same = tiny_model(), tiny_model()
    place(model, "cpu")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))
