"""Training, on a corpus of a few hundred conversations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from demo.train import SEED, InFloat32, product_dtype, train


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


@pytest.mark.parametrize(
    ("capabilities", "kernels", "dtype"),
    [
        ({"avx2", "avx512_f", "avx512_bf16"}, "AVX512", torch.bfloat16),
        ({"avx512_f", "amx_bf16"}, "AVX512", torch.bfloat16),
        ({"neon", "bf16"}, "DEFAULT", torch.bfloat16),
        ({"avx2", "avx512_f", "avx512_bf16"}, "AVX2", torch.float32),
        ({"avx2", "avx512_f", "f16c"}, "AVX512", torch.float32),
        ({"avx2", "f16c"}, "AVX2", torch.float32),
        (set(), "DEFAULT", torch.float32),
    ],
)
def test_products_are_in_bfloat16_only_where_the_processor_has_it(
    capabilities: set[str], kernels: str, dtype: torch.dtype
):
    assert product_dtype(capabilities, kernels) is dtype


def test_muon_keeps_float32_where_bfloat16_would_be_emulated():
    gradient = torch.linspace(-1, 1, 24).reshape(4, 6) ** 3
    matrix = torch.nn.Parameter(torch.zeros(4, 6))
    matrix.grad = gradient
    with InFloat32():
        torch.optim.Muon([matrix], lr=1.0, weight_decay=0.0).step()
    assert torch.count_nonzero(matrix) == 24
    assert (matrix != matrix.bfloat16().float()).any(), "what was computed in bfloat16 has no more digits than that"
    assert torch.equal(gradient, torch.linspace(-1, 1, 24).reshape(4, 6) ** 3), "a gradient is left as it is"
