"""Training, on a corpus of some conversations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from demo.train import SEED, InFloat32, product_dtype, train


@pytest.fixture
def repeatable(num_threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(before)


def trained(num_conversations: int, folder: Path) -> float:
    """The loss of a model that is written to a folder."""
    torch.manual_seed(SEED)
    return train(num_conversations, folder).train_loss


# Threads of torch that must share their cores with other tests wait for each other for minutes.
@pytest.mark.parametrize(
    ("num_threads", "num_conversations"), [(1, 60), pytest.param(2, 300, marks=pytest.mark.stress)]
)
@pytest.mark.usefixtures("repeatable")
def test_training_twice_gives_the_same_weights_and_tokenizer(tmp_path: Path, num_conversations: int):
    first, second = tmp_path / "first", tmp_path / "second"
    losses = [trained(num_conversations, folder) for folder in (first, second)]
    assert losses[0] == losses[1] < 8.0, "a model that has learned nothing is at ln 4096 = 8.3"
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
