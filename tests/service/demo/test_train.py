"""Training, on a corpus of a few hundred conversations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from service.demo.train import SEED, train


@pytest.fixture
def repeatable() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def weights(folder: Path) -> bytes:
    torch.manual_seed(SEED)
    train(300, folder)
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.usefixtures("repeatable")
def test_training_twice_gives_the_same_weights_and_tokenizer(tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert weights(first) == weights(second)
    assert (first / "tokenizer.json").read_bytes() == (second / "tokenizer.json").read_bytes()


def test_the_loss_falls(tmp_path: Path):
    torch.manual_seed(SEED)
    training = train(300, tmp_path)
    assert training.train_loss < 8.0, "a model that has learned nothing is at ln 4096 = 8.3"
