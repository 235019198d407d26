"""Compiled code multiplies on a CPU where it gives what `linear` gives; elsewhere others do, and the log tells why."""

import logging
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import nn

from service.engine.linears.native_products import NATIVE, NativeProducts, packed_products_for
from service.engine.linears.onednn import LINEAR, products_for
from service.engine.linears.plain import MergedLinear
from service.engine.native.library import Library
from service.engine.native.matrix import DTYPES
from service.engine.tolerances import tolerance_of

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


class Failing(NativeProducts):
    def pack_parts(self, parts: Iterable[torch.Tensor], outputs: int, bias: torch.Tensor | None) -> Any:
        raise RuntimeError("no such instruction")


class WrongForOneRow(NativeProducts):
    def multiply(self, rows: torch.Tensor, weight: Any, bias: torch.Tensor | None) -> torch.Tensor:
        product = super().multiply(rows, weight, bias)
        return product * 1.1 if len(rows) == 1 else product


class WithoutResidual(NativeProducts):
    def multiply_add(
        self, rows: torch.Tensor, weight: Any, bias: torch.Tensor | None, residual: torch.Tensor
    ) -> torch.Tensor:
        return self.multiply(rows, weight, bias)


class Missing(NativeProducts):
    @property
    def library(self) -> Library | None:
        return None


BROKEN = {
    Failing: "RuntimeError: no such instruction",
    WrongForOneRow: "the product is wrong",
    WithoutResidual: "the product is wrong",
}


@each_dtype
@pytest.mark.parametrize("kind", BROKEN)
def test_others_multiply_where_the_compiled_code_is_wrong(
    kind: type[NativeProducts], dtype: torch.dtype, caplog: pytest.LogCaptureFixture
) -> None:
    native, weight = kind(), torch.ones(2, 3, dtype=dtype)
    assert packed_products_for(weight, native) is products_for(weight)
    assert packed_products_for(weight, native) is products_for(weight)
    name = str(dtype).removeprefix("torch.")
    assert caplog.messages == [f"{name} matrices are multiplied without compiled code of our own: {BROKEN[kind]}"]


def test_others_multiply_without_a_compiler() -> None:
    weight = torch.ones(2, 3)
    assert packed_products_for(weight, Missing()) is products_for(weight)


@each_dtype
def test_compiled_code_multiplies_on_a_cpu(
    dtype: torch.dtype, library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    native = NativeProducts(library)
    assert packed_products_for(torch.ones(2, 3, dtype=dtype), native) is native
    assert packed_products_for(torch.ones(2, 3, dtype=dtype)) is NATIVE
    assert not caplog.messages


@pytest.mark.parametrize(
    "weight", [torch.ones(1, 1, dtype=torch.float64), torch.ones(1, 1, device="meta")], ids=["float64", "elsewhere"]
)
def test_linear_multiplies_what_is_not_packed(weight: torch.Tensor) -> None:
    assert packed_products_for(weight) is LINEAR


@each_dtype
@pytest.mark.parametrize("biases", [(False, False, False), (True, True, True), (False, True, False)])
@torch.inference_mode()
def test_layers_become_one_matrix_and_lose_their_weights(
    dtype: torch.dtype, biases: tuple[bool, ...], library: Library
) -> None:
    parts = [
        nn.Linear(64, outputs, has_bias, dtype=dtype) for outputs, has_bias in zip((48, 7, 16), biases, strict=True)
    ]
    rows, residual = torch.randn(5, 64).to(dtype), torch.randn(5, 71).to(dtype)
    expected = torch.cat([part(rows) for part in parts], dim=1)
    merged = MergedLinear(*parts, products=NativeProducts(library))
    tolerance = tolerance_of(dtype)
    torch.testing.assert_close(merged(rows), expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(merged.added_to(residual, rows), residual + expected, rtol=tolerance, atol=2 * tolerance)
    assert merged.matrix is not None
    assert merged.matrix.has_bias is any(biases)
    assert not any(part.weight.numel() for part in parts)
