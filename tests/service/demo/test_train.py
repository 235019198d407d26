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


def trained(folder: Path) -> float:
    """The loss of a model that is written to a folder."""
    torch.manual_seed(SEED)
    return train(300, folder).train_loss


@pytest.mark.usefixtures("repeatable")
def test_training_twice_gives_the_same_weights_and_tokenizer(tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert trained(first) == trained(second) < 8.0, "a model that has learned nothing is at ln 4096 = 8.3"
    for name in ("model.safetensors", "tokenizer.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
