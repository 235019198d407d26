"""Layers of codes are made by compiled products wherever these pass their trial."""

import pytest
import torch

from service.engine.linears.codes import int8_codes_linear, rows_rounded_to_int8
from service.engine.linears.quantized import Int8Linear


@pytest.mark.parametrize("inputs", [8, 100, 128, 768, 2048])
def test_rows_of_8_bits_pass_the_trial_with_any_number_of_inputs(inputs: int) -> None:
    with rows_rounded_to_int8():
        layer = int8_codes_linear(Int8Linear(inputs, 48, None, torch.bfloat16))
    assert layer is not None
    assert layer.has_int8_rows
