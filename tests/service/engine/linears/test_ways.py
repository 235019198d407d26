"""Layers multiply in the way that was chosen, where it takes their weights."""

import pytest
import torch
from torch import nn

from service.engine.linears.fbgemm import Fp16Products
from service.engine.linears.onednn import LINEAR
from service.engine.linears.plain import MergedLinear
from service.engine.linears.ways import WAYS, chosen_products, products_chosen
from service.engine.tolerances import relative_error, tolerance_of

needs_fbgemm = pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="this PyTorch has no fbgemm"
)


def test_a_way_is_chosen_for_the_layers_made_meanwhile() -> None:
    weight = torch.ones(4, 3)
    default = chosen_products([weight])
    with products_chosen("linear"):
        assert chosen_products([weight]) is LINEAR
        with products_chosen("dropped in some version"):
            assert chosen_products([weight]) is default
    assert chosen_products([weight]) is default


@needs_fbgemm
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_weights_in_float16_with_sums_in_float32_are_nearer_than_the_dtype_can_tell(dtype: torch.dtype) -> None:
    layer, rows = nn.Linear(80, 48, dtype=dtype), torch.randn(17, 80).to(dtype)
    exact = nn.functional.linear(rows.double(), layer.weight.double(), layer.bias.double())
    residual = torch.randn(17, 48).to(dtype)
    with products_chosen("fbgemm"):
        merged = MergedLinear(layer)
    assert merged(rows).dtype is dtype
    assert relative_error(merged(rows), exact) <= tolerance_of(dtype) / 2
    assert relative_error(merged.added_to(residual, rows), exact + residual) <= tolerance_of(dtype) / 2


@needs_fbgemm
@torch.inference_mode()
def test_bits_of_a_row_are_those_that_it_has_alone() -> None:
    weight, rows = torch.randn(96, 200), torch.randn(40, 200).bfloat16()
    products = Fp16Products()
    packed = products.pack(weight)
    alone = torch.cat([products.multiply(row[None], packed, None) for row in rows])
    for count in range(1, 41):
        assert torch.equal(products.multiply(rows[:count], packed, None), alone[:count])


@torch.inference_mode()
def test_a_weight_that_float16_can_not_hold_is_multiplied_as_ever() -> None:
    weight = torch.full((4, 3), 1e6, dtype=torch.bfloat16)
    assert not WAYS["fbgemm"].takes(weight)
    default = chosen_products([weight])
    with products_chosen("fbgemm"):
        assert chosen_products([weight]) is default
