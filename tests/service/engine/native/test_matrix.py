"""Products with packed matrices: right in every format and shape, and a row's bits are its own."""

import itertools

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.native.library import Library
from service.engine.native.matrix import Format, Packing, format_of, packed

DTYPES = {
    Format.FLOAT32: torch.float32,
    Format.FLOAT16: torch.float16,
    Format.BFLOAT16: torch.bfloat16,
    Format.BFLOAT16_DOT: torch.bfloat16,
}
SIZES = st.integers(1, 150)
shared_library = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(params=DTYPES, ids=lambda kind: kind.name.lower())
def kind(request: pytest.FixtureRequest, library: Library) -> Format:
    if request.param is Format.BFLOAT16_DOT and not library.has_bfloat16_dot:
        pytest.skip("this library has no products of bfloat16")
    return Format(request.param)


def made(kind: Format, outputs: int, inputs: int, num_rows: int) -> tuple[torch.Tensor, ...]:
    """Weight, bias, rows and residual."""
    generator = torch.Generator().manual_seed(outputs * 1_000 + inputs)
    sizes = ((outputs, inputs), (outputs,), (num_rows, inputs), (num_rows, outputs))
    weight, *others = (torch.randn(size, generator=generator) for size in sizes)
    return weight.to(DTYPES[kind]), *others


def exact(kind: Format, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    seen = rows.bfloat16() if kind is Format.BFLOAT16_DOT else rows
    return seen.double() @ weight.double().t()


@pytest.mark.parametrize(("has_bias", "has_residual"), [*itertools.product((True, False), repeat=2)])
@shared_library
@given(outputs=SIZES, inputs=SIZES, num_rows=st.integers(0, 20))
def test_a_product_is_that_of_the_plain_matrix(
    library: Library, kind: Format, has_bias: bool, has_residual: bool, outputs: int, inputs: int, num_rows: int
) -> None:
    weight, bias, rows, residual = made(kind, outputs, inputs, num_rows)
    packing = Packing(library, kind, outputs, inputs, bias if has_bias else None)
    packing.add(weight)
    product = packing.matrix.multiply(rows, residual if has_residual else None)
    expected = exact(kind, rows, weight) + (bias if has_bias else 0) + (residual if has_residual else 0)
    torch.testing.assert_close(product, expected.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("outputs", "inputs", "num_rows"), [(130, 4200, 13), (65, 9000, 7), (600, 2100, 16), (100, 70, 500)]
)
def test_blocks_of_rows_and_inputs_give_the_product(
    library: Library, kind: Format, outputs: int, inputs: int, num_rows: int
) -> None:
    weight, bias, rows, residual = made(kind, outputs, inputs, num_rows)
    packing = Packing(library, kind, outputs, inputs, bias)
    packing.add(weight)
    product = packing.matrix.multiply(rows, residual)
    expected = (exact(kind, rows, weight) + bias + residual).float()
    assert float((product - expected).norm() / expected.norm()) < 2e-6
    for count in (1, 2, 6, 12, 15):
        assert torch.equal(packing.matrix.multiply(rows[:count], residual[:count]), product[:count])


@shared_library
@given(outputs=SIZES, inputs=SIZES, num_rows=st.integers(1, 300), data=st.data())
def test_a_row_has_the_same_bits_in_any_company_and_on_any_number_of_threads(
    library: Library, kind: Format, outputs: int, inputs: int, num_rows: int, data: st.DataObject
) -> None:
    weight, bias, rows, residual = made(kind, outputs, inputs, num_rows)
    packing = Packing(library, kind, outputs, inputs, bias)
    packing.add(weight)
    whole = packing.matrix.multiply(rows, residual)
    first = data.draw(st.integers(0, num_rows - 1))
    last = data.draw(st.integers(first + 1, num_rows))
    num_threads = data.draw(st.sampled_from((2, 3, 4, 8)))
    torch.set_num_threads(num_threads)
    try:
        some = packing.matrix.multiply(rows[first:last], residual[first:last])
    finally:
        torch.set_num_threads(1)
    assert torch.equal(some, whole[first:last])


@shared_library
@given(sizes=st.lists(SIZES, min_size=1, max_size=4), inputs=SIZES)
def test_parts_become_one_matrix_whose_rows_can_be_taken(
    library: Library, kind: Format, sizes: list[int], inputs: int
) -> None:
    weight, *_ = made(kind, sum(sizes), inputs, 0)
    packing = Packing(library, kind, sum(sizes), inputs)
    for part in weight.split(sizes):
        packing.add(part)
    order = torch.arange(sum(sizes)).flip(0)
    assert torch.equal(packing.matrix.take(order), weight.float().flip(0))


def test_rows_come_in_any_layout_and_dtype(library: Library) -> None:
    weight, bias, rows, residual = made(Format.FLOAT32, 40, 30, 6)
    matrix = packed(library, weight, bias)
    product = matrix.multiply(rows, residual)
    assert torch.equal(matrix.multiply(rows.t().contiguous().t(), residual.t().contiguous().t()), product)
    assert torch.equal(matrix.multiply(torch.cat((rows, rows), dim=1)[:, :30], residual), product)
    halves = matrix.multiply(rows.half(), residual.half())
    assert halves.dtype is torch.float16
    torch.testing.assert_close(halves.float(), product, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_every_number_of_16_bits_is_widened_exactly(library: Library, dtype: torch.dtype) -> None:
    weight = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int16).view(dtype)[:, None]
    packing = Packing(library, Format.FLOAT16 if dtype is torch.float16 else Format.BFLOAT16, *weight.shape)
    packing.add(weight)
    product = packing.matrix.multiply(torch.ones(1, 1))[0]
    torch.testing.assert_close(product, weight[:, 0].float(), rtol=0, atol=0, equal_nan=True)


def test_bfloat16_is_multiplied_natively_where_that_exists(library: Library) -> None:
    expected = Format.BFLOAT16_DOT if library.has_bfloat16_dot else Format.BFLOAT16
    assert format_of(library, torch.bfloat16) is expected


@pytest.mark.parametrize("row", [-1, 40])
def test_a_row_that_is_not_there_is_an_error(library: Library, row: int) -> None:
    matrix = packed(library, torch.ones(40, 3))
    with pytest.raises(IndexError, match="of a matrix with 40"):
        matrix.take(torch.tensor([0, row]))
