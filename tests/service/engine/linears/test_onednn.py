"""oneDNN's operators multiply where they give what `linear` gives; elsewhere `linear` does, and the log tells why."""

import logging
import re

import pytest
import torch
from torch import nn

from service.engine.linears.onednn import LINEAR, ONEDNN, OneDnnProducts, Products, products_for
from service.engine.linears.plain import MergedLinear

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")


class Missing(Products):
    def pack(self, weight: torch.Tensor) -> torch.Tensor:
        packed: torch.Tensor = torch.ops.mkldnn._dropped_in_some_version(weight)
        return packed


class Changed(OneDnnProducts):
    def multiply(self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias)
        return product


class Wrong(Products):
    """Wrong in one of its products only."""

    def multiply_add(
        self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, residual: torch.Tensor
    ) -> torch.Tensor:
        return self.multiply(rows, weight, bias) if bias is None else super().multiply_add(rows, weight, bias, residual)


class WrongInOneRow(Products):
    """Wrong in the last of several rows, and by little."""

    def multiply(self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        product = super().multiply(rows, weight, bias)
        if len(rows) > 1:
            product[-1] *= 1.01
        return product


class Turned(Products):
    def multiply(self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return super().multiply(rows, weight, bias).t()


BROKEN = {
    Missing: "AttributeError: .*_dropped_in_some_version",
    Changed: "RuntimeError: .* failed to match any schema:",
    Wrong: "the product is wrong",
    WrongInOneRow: "the product is wrong",
    Turned: "the product is wrong",
}
broken = pytest.mark.parametrize("kind", BROKEN)


@needs_onednn
@broken
def test_linear_multiplies_where_the_operators_do_not_work(
    kind: type[Products], caplog: pytest.LogCaptureFixture
) -> None:
    onednn, weight = kind(), torch.ones(2, 3)
    assert products_for(weight, onednn) is LINEAR
    assert products_for(weight, onednn) is LINEAR
    (line,) = caplog.messages
    assert re.search(f"^float32 matrices .*, without oneDNN: {BROKEN[kind]}[^\\n]*$", line)


@broken
@torch.inference_mode()
def test_a_layer_gives_its_products_all_the_same(kind: type[Products]) -> None:
    layer, rows = nn.Linear(8, 6), torch.randn(4, 8)
    expected = layer(rows)
    assert torch.equal(MergedLinear(layer, products=products_for(layer.weight, kind()))(rows), expected)


@needs_onednn
def test_onednn_multiplies_in_float32_on_a_cpu(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert products_for(torch.ones(2, 3)) is ONEDNN
    assert not caplog.messages


@pytest.mark.parametrize(
    "tensor", [torch.ones(1, dtype=torch.bfloat16), torch.ones(1, device="meta")], ids=["bfloat16", "elsewhere"]
)
def test_linear_multiplies_where_onednn_is_not_quicker(tensor: torch.Tensor) -> None:
    assert products_for(tensor) is LINEAR


@needs_onednn
@pytest.mark.parametrize("has_bias", [True, False])
@torch.inference_mode()
def test_a_layer_is_packed_and_multiplies_as_before(has_bias: bool) -> None:
    layer, rows, residual = nn.Linear(64, 48, has_bias), torch.randn(5, 64), torch.randn(5, 48)
    expected = layer(rows)
    assert ONEDNN.pack(layer.weight).is_mkldnn
    merged = MergedLinear(layer, products=ONEDNN)
    torch.testing.assert_close(merged(rows), expected)
    torch.testing.assert_close(merged.added_to(residual, rows), residual + expected)
    assert not layer.weight.numel()
