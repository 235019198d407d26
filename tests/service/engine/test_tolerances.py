"""The one measure of how far results are apart."""

import math

import pytest
import torch

from service.engine.tolerances import relative_error, tolerance_of

ONES = torch.ones(3, 4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_result_that_is_twice_the_expected_one_is_off_by_one(dtype: torch.dtype) -> None:
    assert relative_error(2 * ONES.to(dtype), ONES.to(dtype)) == 1.0


@pytest.mark.parametrize(
    ("ours", "expected", "error"),
    [(ONES, ONES, 0.0), (0 * ONES, 0 * ONES, 0.0), (ONES, 0 * ONES, math.inf)],
    ids=["equal", "nothing", "something for nothing"],
)
def test_equal_results_are_not_off_even_if_they_are_zero(
    ours: torch.Tensor, expected: torch.Tensor, error: float
) -> None:
    assert relative_error(ours, expected) == error


@pytest.mark.parametrize("place", [0, 1], ids=["ours", "expected"])
def test_what_is_no_number_keeps_to_no_tolerance(place: int) -> None:
    pair = [ONES, ONES]
    pair[place] = ONES * torch.nan
    assert not relative_error(*pair) <= 1


def test_fewer_bits_are_given_more_tolerance() -> None:
    dtypes = (torch.float32, torch.float16, torch.bfloat16)
    tolerances = [tolerance_of(dtype) for dtype in dtypes]
    assert tolerances == sorted(tolerances)
    assert all(tolerance > torch.finfo(dtype).eps for dtype, tolerance in zip(dtypes, tolerances, strict=True))
