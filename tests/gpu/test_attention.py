"""The attention kernel beside a reference in float32, with cases that are too large for Triton's interpreter."""

import pytest
import torch

from service.engine.attention.paged_decode import decode_attention_for
from tests.support.attention_cases import TOLERANCES, cases, relative_error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        is_large = torch.cuda.is_available()
        metafunc.parametrize("case", cases(True) if is_large else cases(False)[:4], ids=str)


def test_decoding_attends_to_what_the_reference_attends_to(case, device):
    assert relative_error(case, decode_attention_for(torch.device(device)), device) < TOLERANCES[case.dtype]
