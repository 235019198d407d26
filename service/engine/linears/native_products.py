"""Products by compiled code of our own, with matrices of plain numbers on a CPU, and who multiplies by which."""

import functools
import itertools
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn.functional import linear

from service.engine.device import is_cpu
from service.engine.linears.onednn import Products, products_for
from service.engine.linears.operator_trial import works
from service.engine.native.library import Library, native_library
from service.engine.native.matrix import DTYPES, Matrix, Packing, format_of


class NativeProducts(Products):
    """Products whose weight is a packed `Matrix`, for rows and results of any dtype.

    Args:
        library: The compiled code; None for this processor's, which is built when it is first asked for.
    """

    def __init__(self, library: Library | None = None) -> None:
        self._library = library

    def takes(self, weight: torch.Tensor) -> bool:
        """Tells if a weight can be packed, and products with it are right."""
        return is_cpu(weight.device) and weight.dtype in DTYPES and _is_right(self, weight.dtype)

    def pack(self, weight: torch.Tensor) -> Any:
        """The weight as a `Matrix`."""
        return self.pack_parts([weight], weight.shape[0], None)

    def pack_parts(self, parts: Iterable[torch.Tensor], outputs: int, bias: torch.Tensor | None) -> Any:
        """Several weights as one `Matrix`, which has the bias too; each is packed before the next is asked for."""
        library = self.library
        assert library is not None, "`takes` has looked"
        packing: Packing | None = None
        for part in parts:
            packing = packing or Packing(library, format_of(library, part.dtype), outputs, part.shape[1], bias)
            packing.add(part)
        assert packing is not None
        return packing.matrix

    def multiply(self, rows: torch.Tensor, weight: Any, bias: torch.Tensor | None) -> torch.Tensor:
        """The product, [N, outputs], with a packed weight."""
        return _with_bias(weight, weight.multiply(rows), bias)

    def multiply_add(
        self, rows: torch.Tensor, weight: Any, bias: torch.Tensor | None, residual: torch.Tensor
    ) -> torch.Tensor:
        """The same, added to [N, outputs]."""
        return _with_bias(weight, weight.multiply(rows, residual), bias)

    @property
    def library(self) -> Library | None:
        """The compiled code, if there is any."""
        return self._library or native_library()


NATIVE = NativeProducts()

_OUTPUTS, _INPUTS, _MOST_ROWS = 80, 47, 17
"""Sizes of what is tried, so that neither panels nor pairs of inputs are full."""


def packed_products_for(weight: torch.Tensor, native: NativeProducts = NATIVE) -> Products:
    """The quickest way that works to multiply by a weight that is packed once.

    Args:
        weight: The weight, in its dtype, where it is.
        native: The compiled way, which is tried once for each dtype.
    """
    return native if native.takes(weight) else products_for(weight)


def _with_bias(matrix: Matrix, product: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return product if bias is None or matrix.has_bias else product + bias


@functools.cache
@torch.inference_mode()
def _is_right(native: NativeProducts, dtype: torch.dtype) -> bool:
    """Tells if the compiled code is there and gives the products of `linear`."""
    if native.library is None:
        return False
    generator = torch.Generator().manual_seed(0)
    sizes = ((_OUTPUTS, _INPUTS), (_OUTPUTS,), (_MOST_ROWS, _INPUTS), (_MOST_ROWS, _OUTPUTS))
    weight, bias, rows, residual = (torch.randn(size, generator=generator).to(dtype) for size in sizes)
    cases = [*itertools.product((1, _MOST_ROWS), (None, bias))]
    # Sums in float32, from which those in 16 bits differ by more than ours.
    exact = [(linear(rows.float(), weight.float()) + (0 if it is None else it))[:count] for count, it in cases]
    expected = [it.to(dtype) for product in exact for it in (product, product + residual[: len(product)])]

    def attempt() -> list[torch.Tensor]:
        made = []
        for count, it in cases:
            matrix = native.pack_parts(torch.split(weight, 30), _OUTPUTS, it)
            made.append(native.multiply(rows[:count], matrix, it))
            made.append(native.multiply_add(rows[:count], matrix, it, residual[:count]))
        return made

    otherwise = f"{str(dtype).removeprefix('torch.')} matrices are multiplied without compiled code of our own"
    return works(attempt, expected, otherwise)
