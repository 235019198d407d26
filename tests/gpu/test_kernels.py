"""Kernels beside a reference in float32, with cases that are too large for Triton's interpreter."""

import pytest
import torch

from service.engine.paged_decode import decode_attention_for
from tests.service.engine import attention_cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "attention_case" in metafunc.fixturenames:
        is_large = torch.cuda.is_available()
        cases = attention_cases.cases(is_large)
        metafunc.parametrize("attention_case", cases if is_large else cases[:4], ids=str)


def test_decoding_attends_to_what_the_reference_attends_to(attention_case, device):
    attention = decode_attention_for(torch.device(device))
    error = attention_cases.relative_error(attention_case, attention, device)
    assert error < attention_cases.TOLERANCES[attention_case.dtype]
