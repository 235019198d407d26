"""Layers of the same input merged into one give the outputs that they gave side by side."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from service.engine.linears.codes import CodesLinear, codes_linear
from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.merged import merged
from service.engine.linears.plain import MergedLinear
from service.engine.linears.quantized import GroupedLinear, Int8Linear
from service.engine.linears.tinygemm import Int4KernelLinear

INPUTS = 128
ORDER = torch.randperm(INPUTS, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def generator() -> None:
    torch.manual_seed(0)


def int8(outputs: int, has_bias: bool = False, dtype: torch.dtype = torch.float32) -> Int8Linear:
    layer = Int8Linear(INPUTS, outputs, nn.Parameter(torch.randn(outputs)) if has_bias else None, dtype)
    layer.weight.random_(-127, 128)
    layer.scale.uniform_(0.001, 0.002)
    return layer


def random_weights(outputs: int, bits: int, groups: int, **others: Any) -> GroupedWeights:
    codes = torch.randint(2**bits, (outputs, INPUTS), dtype=torch.uint8)
    zeros = torch.randint(2**bits, (outputs, groups), dtype=torch.uint8)
    return GroupedWeights(codes, torch.rand(outputs, groups), zeros, bits, **others)


def grouped(
    outputs: int, has_bias: bool = False, bits: int = 4, groups: int = 4, order: torch.Tensor | None = None
) -> GroupedLinear:
    bias = nn.Parameter(torch.randn(outputs)) if has_bias else None
    return GroupedLinear(random_weights(outputs, bits, groups, bias=bias, order=order), torch.float32)


def in_order(outputs: int, has_bias: bool = False) -> GroupedLinear:
    return grouped(outputs, has_bias, order=ORDER)


def codes(outputs: int, has_bias: bool = False) -> CodesLinear:
    bias = nn.Parameter(torch.randn(outputs)) if has_bias else None
    layer = codes_linear(random_weights(outputs, 4, 4, bias=bias, order=ORDER), torch.float32)
    assert layer is not None
    return layer


each_biases = pytest.mark.parametrize("biases", [(False, False, False), (True, True, True), (False, True, False)])


@pytest.mark.parametrize("make", [int8, grouped, in_order, codes])
@each_biases
@torch.inference_mode()
def test_one_layer_gives_the_outputs_of_all(make: Callable[..., nn.Module], biases: tuple[bool, ...]) -> None:
    parts = [make(outputs, has_bias) for outputs, has_bias in zip((48, 16, 7), biases, strict=True)]
    hidden = torch.randn(3, INPUTS)
    expected = torch.cat([part(hidden) for part in parts], dim=-1)
    (whole,) = merged(*parts)
    torch.testing.assert_close(whole(hidden), expected, rtol=1e-5, atol=1e-4)


@each_biases
@torch.inference_mode()
def test_one_product_gives_the_outputs_of_all_plain_layers(biases: tuple[bool, ...]) -> None:
    parts = [nn.Linear(INPUTS, outputs, has_bias) for outputs, has_bias in zip((48, 16, 7), biases, strict=True)]
    hidden, residual = torch.randn(3, INPUTS), torch.randn(3, 71)
    expected = torch.cat([part(hidden) for part in parts], dim=-1)
    whole = MergedLinear(*parts)
    torch.testing.assert_close(whole(hidden), expected)
    torch.testing.assert_close(whole.added_to(residual, hidden), residual + expected)


@pytest.mark.parametrize("make", [int8, grouped, in_order])
def test_merging_holds_no_weight_twice(make: Callable[..., nn.Module]) -> None:
    def held() -> int:
        buffers = [buffer for part in parts for name, buffer in part.named_buffers() if name != "_order"]
        return sum(buffer.untyped_storage().nbytes() for buffer in buffers)

    parts = [make(outputs) for outputs in (48, 16)]
    before = held()
    merged(*parts)
    assert held() == before


def tinygemm(outputs: int) -> Int4KernelLinear:
    return Int4KernelLinear(random_weights(outputs, 4, 4))


UNLIKE = {
    "int8 and 4 bits": lambda: (int8(16), grouped(16)),
    "4 and 8 bits": lambda: (grouped(16), grouped(16, bits=8)),
    "groups of 32 and 64": lambda: (grouped(16), grouped(16, groups=2)),
    "one in order": lambda: (grouped(16), in_order(16)),
    "other orders": lambda: (in_order(16), grouped(16, order=ORDER.flip(0))),
    "compiled and not": lambda: (codes(16), in_order(16)),
    "packed by PyTorch": lambda: (tinygemm(16), tinygemm(16)),
}


@pytest.mark.parametrize("make", UNLIKE.values(), ids=UNLIKE)
def test_unlike_layers_stay_apart(make: Callable[[], tuple[nn.Module, ...]]) -> None:
    parts = make()
    assert merged(*parts) == parts
    assert all(part(torch.randn(2, INPUTS, dtype=torch.bfloat16)).shape == (2, 16) for part in parts)
