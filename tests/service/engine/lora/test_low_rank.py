"""Low-rank products of rows that use different adapters: the kernel gives what one product for each row gives."""

import pytest
import torch
from torch import nn

from service.engine.lora.kernel_trial import add_tiles, try_kernel
from service.engine.lora.low_rank import AdaptedLinear, LowRank, with_adapters
from service.engine.lora.rows import ActiveRows, adapter_rows
from service.engine.tolerances import relative_error, tolerance_of

CPU = torch.device("cpu")
SEQUENCES = [(None, 3), (2, 1), (0, 20), (2, 16), (None, 1), (1, 2)]
"""Adapters and numbers of rows; the second adapter leaves the layer as it is."""

RANKS = (8, 0, 3)


def stacks(num_inputs: int, num_outputs: int, dtype: torch.dtype) -> LowRank:
    generator = torch.Generator().manual_seed(num_inputs)
    first = torch.randn((len(RANKS), max(RANKS), num_inputs), generator=generator) * num_inputs**-0.5
    second = torch.randn((len(RANKS), num_outputs, max(RANKS)), generator=generator)
    for adapter, rank in enumerate(RANKS):
        first[adapter, rank:], second[adapter, :, rank:] = 0, 0
    return LowRank(first.to(dtype), second.to(dtype), RANKS, add_tiles)


@pytest.mark.skipif(torch.cuda.is_available(), reason="with CUDA, Triton does not compute on a CPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("num_inputs", "num_outputs"), [(64, 64), (70, 33), (200, 130)])
@pytest.mark.parametrize("has_tiles", [False, True], ids=["products", "kernel"])
def test_each_row_gets_its_adapters_product(
    has_tiles: bool, num_inputs: int, num_outputs: int, dtype: torch.dtype
) -> None:
    low_rank, adapters = stacks(num_inputs, num_outputs, dtype), [it for it, count in SEQUENCES for _ in range(count)]
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn((len(adapters), num_inputs), generator=generator).to(dtype)
    merged = torch.randn((len(adapters), num_outputs + 7), generator=generator).to(dtype)
    expected = merged.float()
    for row, adapter in enumerate(adapters):
        if adapter is not None:
            product = low_rank.second[adapter].float() @ (low_rank.first[adapter].float() @ inputs[row].float())
            expected[row, 5 : 5 + num_outputs] += product
    rows = adapter_rows(SEQUENCES, CPU, has_tiles)
    assert rows is not None
    low_rank.add_to(merged[:, 5 : 5 + num_outputs], inputs, rows)
    assert relative_error(merged, expected) < tolerance_of(dtype)
    untouched = torch.tensor([adapter in (None, 1) for adapter in adapters])
    assert torch.equal(merged.float()[untouched], expected[untouched])


def test_rows_of_one_adapter_alone_are_not_copied() -> None:
    rows = adapter_rows([(1, 3), (1, 2)], CPU, has_tiles=False)
    assert rows is not None
    assert rows.groups == ((1, None),)


def test_a_step_without_adapters_has_no_rows() -> None:
    assert adapter_rows([(None, 3), (None, 1)], CPU, has_tiles=True) is None


def test_a_kernel_that_is_wrong_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    low_rank = stacks(64, 32, torch.float32)
    assert try_kernel([(low_rank.first, low_rank.second, RANKS)], lambda *arguments: None) is None
    assert caplog.messages == ["adapters of 32 x 64 go without their kernel: the product is wrong"]


def test_a_step_without_adapters_gives_what_the_layers_give_and_computes_nothing_more() -> None:
    low_rank, given = stacks(64, 64, torch.float32), torch.ones(3, 64)
    base = Given(given)
    merged = with_adapters(base, [AdaptedLinear(base, low_rank, ActiveRows())], [64])
    assert merged is not base
    assert merged(given) is merged.added_to(given, given) is given
    assert AdaptedLinear(base, low_rank, ActiveRows())(given) is given


def test_layers_without_adapters_are_left_as_they_are() -> None:
    base = Given(torch.ones(3, 64))
    assert with_adapters(base, [base, base], [32, 32]) is base


class Given(nn.Module):
    """Layers that give what they are told to."""

    def __init__(self, output: torch.Tensor) -> None:
        super().__init__()
        self._output = output

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self._output

    def added_to(self, residual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return self._output
