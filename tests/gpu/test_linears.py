"""The kernels of packed weights multiply as float32 does."""

import pytest

from tests.support.linear_cases import TOLERANCES, cases


def test_products_with_packed_weights_are_within_their_tolerance(device: str) -> None:
    if device == "cpu":
        pytest.skip("tests/support/test_linear_cases.py computes smaller ones in Triton's interpreter")
    errors = {str(case): (case.error(device), TOLERANCES[case.dtype]) for case in cases(large=True)}
    assert {name: error for name, (error, tolerance) in errors.items() if not error < tolerance} == {}
