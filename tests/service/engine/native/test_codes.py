"""Products with matrices of codes: right in every format and shape, and a row's bits are its own."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.native.codes import Codes, CodesMatrix, ZeroType, format_of_codes, merged_codes, packed_codes
from service.engine.native.library import Library
from service.engine.native.matrix import Format
from tests.support.random_codes import made, matrices, plain, rows_for, size_of

ERRORS = {Format.CODES_FLOAT32: 2e-6, Format.CODES_INT16: 5e-5, Format.CODES_INT8: 8e-3}
"""The most of norm(error) / norm(product) for normal rows: rounding of float32, and of rows to 16 and 8 bits."""

PAIRS = 1.25
"""How many times that, where the largest pair of numbers of 8 bits becomes 127, as with AVX2 and codes of 8 bits."""

LARGEST = {Format.CODES_INT16: 32639, Format.CODES_INT8: 127}
"""The whole number that the largest of at most 128 inputs of a row becomes, or the largest pair (`PAIRS`)."""

shared_library = settings(
    max_examples=settings().max_examples // 4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def has_pairs(kind: Format, bits: int) -> bool:
    """Tells if some processors limit pairs of a row's numbers."""
    return kind is Format.CODES_INT8 and bits == 8


def most_error(kind: Format, bits: int) -> float:
    """The most of norm(error) / norm(product) for codes of so many bits, on any processor."""
    return ERRORS[kind] * (PAIRS if has_pairs(kind, bits) else 1.0)


@pytest.fixture(params=ERRORS, ids=lambda kind: kind.name.lower())
def kind(request: pytest.FixtureRequest) -> Format:
    return Format(request.param)


@shared_library
@given(codes=matrices(), num_rows=st.integers(0, 20), has_residual=st.booleans())
def test_a_product_is_that_of_the_plain_matrix(
    library: Library, kind: Format, codes: Codes, num_rows: int, has_residual: bool
) -> None:
    rows, weight = rows_for(codes, num_rows), plain(codes)
    residual = torch.randn(num_rows, weight.shape[0]) if has_residual else None
    product = packed_codes(library, kind, codes).multiply(rows, residual)
    expected = rows.double() @ weight.t()
    for added in (codes.bias, residual):
        expected += 0 if added is None else added
    sizes = size_of(rows, weight) + expected.abs()
    assert bool(((product - expected).abs() <= 4 * ERRORS[kind] * sizes + 1e-6).all())


@pytest.mark.parametrize("zeros", ["centre", "codes", "numbers"])
@pytest.mark.parametrize(("bits", "group_size"), [(4, 32), (4, 128), (8, 32), (8, 768)])
def test_the_error_is_that_of_rounding(library: Library, kind: Format, bits: int, group_size: int, zeros: str) -> None:
    codes = made(96, group_size, 768 // group_size, bits, zeros)
    rows = rows_for(codes, 40)
    expected = rows.double() @ plain(codes).t()
    error = float((packed_codes(library, kind, codes).multiply(rows) - expected).norm() / expected.norm())
    print(f"{kind.name}, {bits} bits in groups of {group_size}, zeros {zeros}: {error:.1e}")
    assert error < most_error(kind, bits)


@shared_library
@given(codes=matrices(), num_rows=st.integers(1, 60), data=st.data())
def test_a_row_has_the_same_bits_in_any_company_and_on_any_number_of_threads(
    library: Library, kind: Format, codes: Codes, num_rows: int, data: st.DataObject
) -> None:
    matrix, rows = packed_codes(library, kind, codes), rows_for(codes, num_rows)
    whole = matrix.multiply(rows)
    first = data.draw(st.integers(0, num_rows - 1))
    last = data.draw(st.integers(first + 1, num_rows))
    torch.set_num_threads(data.draw(st.sampled_from((2, 3, 4, 8))))
    try:
        some, again = matrix.multiply(rows[first:last]), matrix.multiply(rows)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(some, whole[first:last])
    assert torch.equal(again, whole)


def most_rounding(codes: Codes, rows: torch.Tensor, kind: Format) -> torch.Tensor:
    """How far rounding of rows moves products at most: half a step for each input, [rows, outputs]."""
    order = torch.arange(rows.shape[1]) if codes.order is None else codes.order
    groups = rows[:, order].double().view(rows.shape[0], codes.scales.shape[1], -1)
    pieces = [most_of(piece, has_pairs(kind, codes.bits)).expand_as(piece) for piece in groups.split(128, dim=-1)]
    steps = torch.cat(pieces, dim=-1).reshape(rows.shape) / LARGEST[kind]
    return 0.5 * steps @ plain(codes)[:, order].abs().t()


def most_of(piece: torch.Tensor, are_pairs: bool) -> torch.Tensor:
    """The largest magnitude, or the largest sum of two neighbours' magnitudes, [..., 1]."""
    magnitudes = piece.abs()
    if are_pairs:
        padded = torch.nn.functional.pad(magnitudes, (0, piece.shape[-1] % 2))
        magnitudes = padded.unflatten(-1, (-1, 2)).sum(-1)
    return magnitudes.amax(-1, keepdim=True)


@pytest.mark.parametrize("kind", LARGEST, ids=lambda kind: kind.name.lower())
@shared_library
@given(codes=matrices(), num_rows=st.integers(1, 20), outlier=st.sampled_from((1.0, 30.0, 1e4)))
def test_a_row_is_rounded_by_half_a_step_of_its_group_at_most(
    library: Library, kind: Format, codes: Codes, num_rows: int, outlier: float
) -> None:
    rows, weight = rows_for(codes, num_rows), plain(codes)
    rows[:, ::50] *= outlier
    product = packed_codes(library, kind, replace(codes, bias=None)).multiply(rows)
    bound = most_rounding(codes, rows, kind) + 2e-6 * size_of(rows, weight)
    assert bool(((product - rows.double() @ weight.t()).abs() <= bound).all())


@pytest.mark.parametrize("kind", LARGEST, ids=lambda kind: kind.name.lower())
def test_every_processor_computes_the_same_sums(library: Library, kind: Format) -> None:
    codes = made(40, 96, 3, zeros="codes")
    codes.scales.fill_(0.5)
    rows = torch.randint(-63, 64, (9, 288), generator=torch.Generator().manual_seed(0)).float()
    rows[:, ::96] = float(LARGEST[kind])
    rows[:, 1::96] = 0.0
    product = packed_codes(library, kind, codes).multiply(rows)
    assert torch.equal(product.double(), rows.double() @ plain(codes).t())


def test_all_threads_work_on_one_large_product(library: Library, kind: Format) -> None:
    codes = made(200, 128, 8, 4)
    matrix, rows = packed_codes(library, kind, codes), rows_for(codes, 100)
    alone = torch.cat([matrix.multiply(row[None]) for row in rows])
    for num_threads in (1, 2, 4):
        torch.set_num_threads(num_threads)
        try:
            assert torch.equal(matrix.multiply(rows), alone)
        finally:
            torch.set_num_threads(1)


@shared_library
@given(codes=matrices())
def test_weights_can_be_taken_out(library: Library, kind: Format, codes: Codes) -> None:
    outputs = torch.arange(codes.codes.shape[0]).flip(0)
    taken = packed_codes(library, kind, codes).take(outputs)
    torch.testing.assert_close(taken, plain(codes)[outputs].float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [1.0, -1.0, 1e4, 3e38])
@pytest.mark.parametrize("code", [0, 255])
def test_no_sum_overflows(library: Library, kind: Format, code: int, value: float) -> None:
    codes = made(33, 128, 2, zeros="codes")
    codes = Codes(
        torch.full_like(codes.codes, code), torch.full_like(codes.scales, 2.0**-14), 255 - codes.codes[:, :2], 8
    )
    codes.zeros.fill_(255 - code)  # type: ignore[union-attr]
    rows = torch.full((3, 256), value)
    expected = rows.double() @ plain(codes).t()
    product = packed_codes(library, kind, codes).multiply(rows)
    # Where the largest pair becomes 127, each of two equal numbers becomes 64 and not 63.5.
    rtol = 1e-2 if kind is Format.CODES_INT8 else 1e-5
    torch.testing.assert_close(product, expected.float(), rtol=rtol, atol=0)


@pytest.mark.parametrize("kind", LARGEST, ids=lambda kind: kind.name.lower())
def test_an_outlier_touches_its_own_group_only(library: Library, kind: Format) -> None:
    codes = made(32, 128, 4, 8)
    matrix, rows = packed_codes(library, kind, codes), rows_for(codes, 4)
    weight = plain(codes)
    rows[:, 5] = 1e6
    weight[:, :128] = 0
    emptied = Codes(codes.codes.clone(), codes.scales, None, 8)
    emptied.codes[:, :128] = 128
    product = packed_codes(library, kind, emptied).multiply(rows)
    expected = rows.double() @ weight.t()
    assert float((product - expected).norm() / expected.norm()) < most_error(kind, 8)
    whole = rows.double() @ plain(codes).t()
    assert float((matrix.multiply(rows) - whole).norm() / whole.norm()) < most_error(kind, 8)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_stays_none(library: Library, kind: Format, value: float) -> None:
    codes = made(40, 64, 4, 4)
    rows = rows_for(codes, 3)
    rows[1, 70] = value
    product = packed_codes(library, kind, codes).multiply(rows)
    assert not product[1].isfinite().any()
    assert product[[0, 2]].isfinite().all()


def test_rows_of_zeros_and_of_the_smallest_numbers_give_zeros(library: Library, kind: Format) -> None:
    codes = made(17, 100, 1)
    matrix = packed_codes(library, kind, codes)
    assert not matrix.multiply(torch.zeros(2, 100)).any()
    assert matrix.multiply(torch.full((2, 100), 1e-38)).abs().max() < 1e-30


STORED: list[tuple[Any, ...]] = [
    (made(16, 32, 4, 4), ZeroType.CENTRE, True, 64 + 8),
    (made(16, 32, 4, 4, "codes"), ZeroType.BYTES, True, 64 + 8 + 4),
    (made(16, 32, 4, 4, "numbers"), ZeroType.OFFSETS, False, 64 + 16 + 16),
    (made(16, 32, 4, 4, are_half=False), ZeroType.CENTRE, False, 64 + 16),
    (made(16, 128), ZeroType.CENTRE, False, 128 + 4),
]


@pytest.mark.parametrize(("codes", "zero_type", "is_half", "bytes_of_an_output"), STORED)
def test_scales_and_zeros_take_as_few_bytes_as_keep_them_exact(
    library: Library, kind: Format, codes: Codes, zero_type: ZeroType, is_half: bool, bytes_of_an_output: int
) -> None:
    matrix = packed_codes(library, kind, codes)
    assert (matrix.fields.zero_type, bool(matrix.fields.has_half_scales)) == (zero_type, is_half)
    assert matrix.num_bytes == 16 * bytes_of_an_output


def test_offsets_of_float16_are_found_again(library: Library, kind: Format) -> None:
    codes = made(16, 32, 4, 4)
    offsets = -torch.rand(16, 4).half().float()
    found = Codes(codes.codes, codes.scales, -offsets / codes.scales.float(), 4)
    assert packed_codes(library, kind, found).fields.has_half_scales


def parts(library: Library, kind: Format, *outputs: int, **others: Any) -> list[CodesMatrix]:
    return [packed_codes(library, kind, made(count, 64, 2, **others)) for count in outputs]


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(("bits", "zeros"), [*itertools.product((4, 8), ("centre", "codes"))])
def test_matrices_are_joined(library: Library, kind: Format, bits: int, zeros: str, has_bias: bool) -> None:
    separate = parts(library, kind, 48, 16, 7, bits=bits, zeros=zeros, has_bias=has_bias)
    whole = merged_codes(separate)
    assert whole is not None
    rows = torch.randn(9, 128)
    assert torch.equal(whole.multiply(rows), torch.cat([part.multiply(rows) for part in separate], dim=1))


def test_a_bias_of_one_part_leaves_the_others_alone(library: Library, kind: Format) -> None:
    separate = [*parts(library, kind, 16), *parts(library, kind, 16, has_bias=True)]
    whole, rows = merged_codes(separate), torch.randn(2, 128)
    assert whole is not None
    assert torch.equal(whole.multiply(rows), torch.cat([part.multiply(rows) for part in separate], dim=1))


def test_unlike_matrices_stay_apart(library: Library, kind: Format) -> None:
    (first,) = parts(library, kind, 16)
    unlike: list[dict[str, Any]] = [{"bits": 4}, {"zeros": "codes"}, {"is_ordered": False}, {"are_half": False}]
    assert all(merged_codes([first, *parts(library, kind, 16, **others)]) is None for others in unlike)
    assert merged_codes([*parts(library, kind, 7), first]) is None
    orders = [torch.arange(128), torch.arange(128).flip(0)]
    first, second = (packed_codes(library, kind, replace(made(16, 64, 2), order=order)) for order in orders)
    assert merged_codes([first, second]) is None
    assert merged_codes([second, second]) is not None


def test_each_dtype_has_its_arithmetic() -> None:
    assert format_of_codes(torch.float32) is Format.CODES_FLOAT32
    assert format_of_codes(torch.bfloat16) is format_of_codes(torch.float16) is Format.CODES_INT16
    assert format_of_codes(torch.bfloat16, has_int8_rows=True) is Format.CODES_INT8
    assert format_of_codes(torch.float32, has_int8_rows=True) is Format.CODES_FLOAT32
    assert format_of_codes(torch.float64, has_int8_rows=True) is None
