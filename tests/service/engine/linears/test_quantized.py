"""Quantized layers compute the product with the matrix that their codes mean."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.quantized import GroupedLinear, Int8Linear
from service.engine.linears.tinygemm import HalvesKernelLinear, Int4KernelLinear, int4_kernel_works, make_torch_linear

TOLERANCES = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}
"""In norm(error) / norm(product), beside the product in float32 of what the layer was given."""

ROWS = (1, 3, 24, 25, 100)
WIDE = (80, 32768)
"""Outputs and inputs of a matrix that is unpacked in pieces, the last of them smaller."""


@pytest.fixture(autouse=True)
def generator() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


def error(layer: nn.Module, weight: torch.Tensor, bias: torch.Tensor, rows: int, dtype: torch.dtype) -> float:
    hidden = torch.randn(1, rows, weight.shape[1]).to(dtype)
    expected = hidden.float() @ weight.t() + bias
    output = layer(hidden)
    assert output.shape == expected.shape
    assert output.dtype == dtype
    return float((output.float() - expected).norm() / expected.norm())


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize(("outputs", "inputs"), [(64, 128), (33, 64), (40, 72), (7, 50), (1, 192), WIDE])
def test_int8_is_within_its_tolerance(outputs: int, inputs: int, dtype: torch.dtype) -> None:
    bias = torch.randn(outputs)
    layer = Int8Linear(inputs, outputs, nn.Parameter(bias.to(dtype)), dtype)
    layer.weight.random_(-127, 128)
    layer.scale.uniform_(0.001, 0.002)
    weight = layer.weight.float() * layer.scale.float()
    for rows in ROWS:
        assert error(layer, weight, bias.to(dtype).float(), rows, dtype) < TOLERANCES[dtype]


GROUPED = [(64, 256, 128, 4), (48, 128, 32, 4), (40, 96, 32, 4), (33, 64, 16, 4), (80, 384, 384, 4), (24, 48, 8, 4)]
GROUPED += [(64, 96, 32, 4), (64, 256, 128, 8), (33, 72, 24, 8), (*WIDE, 128, 4), (*WIDE, 128, 8)]


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize(("outputs", "inputs", "group_size", "bits"), GROUPED)
@pytest.mark.parametrize("is_ordered", [True, False])
def test_groups_are_within_their_tolerance(
    outputs: int, inputs: int, group_size: int, bits: int, dtype: torch.dtype, is_ordered: bool
) -> None:
    codes = torch.randint(2**bits, (outputs, inputs), dtype=torch.uint8)
    zeros = torch.randint(2**bits, (outputs, inputs // group_size), dtype=torch.uint8)
    scales = torch.rand(zeros.shape).half() * 0.01
    order = None if is_ordered else torch.randperm(inputs)
    bias = torch.randn(outputs).to(dtype)
    layer = make_torch_linear(GroupedWeights(codes, scales, zeros, bits, nn.Parameter(bias), order), dtype)
    weight = scales.float().repeat_interleave(group_size, 1) * (codes - zeros.float().repeat_interleave(group_size, 1))
    if order is not None:
        weight = weight[:, torch.argsort(order)]
    for rows in ROWS:
        assert error(layer, weight, bias.float(), rows, dtype) < TOLERANCES[dtype]


def made(dtype: torch.dtype, bits: int, outputs: int = 256, inputs: int = 1024, group_size: int = 128) -> nn.Module:
    codes = torch.randint(2**bits, (outputs, inputs), dtype=torch.uint8)
    zeros = torch.randint(2**bits, (outputs, inputs // group_size), dtype=torch.uint8)
    return make_torch_linear(GroupedWeights(codes, torch.rand(zeros.shape), zeros, bits), dtype)


def bytes_of(layer: nn.Module) -> int:
    return sum(buffer.untyped_storage().nbytes() for buffer in layer.buffers())


LAYERS = [
    ("int8", lambda: Int8Linear(1024, 256, None, torch.float16), 1 + 2 / 1024),
    ("4 bit, unpacked for each product", lambda: made(torch.float16, 4), 0.5 + (2 + 2) / 128),
    ("4 bit, read by a kernel", lambda: made(torch.bfloat16, 4), 0.5 + (2 + 2) / 128),
    ("8 bit in groups, unpacked for each product", lambda: made(torch.float16, 8), 1 + (2 + 2) / 128),
    ("8 bit in groups, read by a kernel", lambda: made(torch.bfloat16, 8), 1 + 2 * (2 + 2) / 128),
]


@pytest.mark.parametrize(("name", "make", "promised"), LAYERS, ids=[name for name, *_ in LAYERS])
def test_memory_is_what_the_format_promises(name: str, make, promised: float) -> None:
    per_weight = bytes_of(make()) / (256 * 1024)
    print(f"{name}: {per_weight:.4f} bytes a weight, {promised:.4f} promised")
    assert per_weight == pytest.approx(promised)


def test_the_cpu_reads_packed_codes_in_bfloat16_only() -> None:
    assert isinstance(made(torch.bfloat16, 4), Int4KernelLinear)
    assert isinstance(made(torch.bfloat16, 8), HalvesKernelLinear)
    assert isinstance(made(torch.float32, 4), GroupedLinear)


@pytest.mark.parametrize(("inputs", "outputs", "group_size"), [(1024, 250, 128), (1024, 256, 16)])
def test_no_kernel_is_tried_on_a_shape_that_it_does_not_know(inputs: int, outputs: int, group_size: int) -> None:
    assert not int4_kernel_works(torch.device("cpu"), torch.bfloat16, inputs, outputs, group_size)


def test_the_cpus_kernel_takes_inputs_of_any_number_of_groups() -> None:
    assert isinstance(made(torch.bfloat16, 4, 64, 96, 32), Int4KernelLinear)
