"""Kernels beside a reference in float32, with cases that are too large for Triton's interpreter."""

import pytest
import torch

from service.engine.paged_decode import decode_attention_for
from tests.service.engine import attention_cases, linear_cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_large = torch.cuda.is_available()
    if "attention_case" in metafunc.fixturenames:
        cases = attention_cases.cases(is_large)
        metafunc.parametrize("attention_case", cases if is_large else cases[:4], ids=str)
    if "linear_case" in metafunc.fixturenames:
        # The two precisions take turns: the reference of each case takes the CPU about a second.
        turns = [case for place, case in enumerate(linear_cases.cases(True)) if place % 2 == place // 2 % 2]
        metafunc.parametrize("linear_case", turns if is_large else turns[:1], ids=str)


def test_decoding_attends_to_what_the_reference_attends_to(attention_case, device):
    attention = decode_attention_for(torch.device(device))
    error = attention_cases.relative_error(attention_case, attention, device)
    assert error < attention_cases.TOLERANCES[attention_case.dtype]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="its small cases are tried in Triton's interpreter")
def test_packed_weights_multiply_as_plain_ones(linear_case, device):
    assert linear_case.error(device) < linear_cases.TOLERANCES[linear_case.dtype]
