"""Products with a matrix of plain numbers: by oneDNN where that works and is quicker, else by `linear`.

oneDNN is called by private operators, those of PyTorch's own compiler. All calls of them are here.
"""

import functools
import itertools
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn.functional import linear

from service.engine.device import is_cpu
from service.engine.linears.operator_trial import works


class Products:
    """Products by documented operators.

    Rows are [N, inputs], a weight is [outputs, inputs], and a bias is [outputs] or None.
    """

    def takes(self, weight: torch.Tensor) -> bool:
        """Tells if a weight can be packed without a loss."""
        return True

    def pack(self, weight: torch.Tensor) -> Any:
        """The weight as products with it are quickest."""
        return weight

    def pack_parts(self, parts: Iterable[torch.Tensor], outputs: int, bias: torch.Tensor | None) -> Any:
        """Weights of the same inputs as one, which products then take with a bias.

        Args:
            parts: [some outputs, inputs] each, consumed one by one.
            outputs: Those of all together.
            bias: [outputs] or None.
        """
        weights = [*parts]
        return self.pack(weights[0] if len(weights) == 1 else torch.cat(weights))

    def multiply(self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """The product, [N, outputs], with a weight as it is or packed."""
        return linear(rows, weight, bias)

    def multiply_add(
        self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, residual: torch.Tensor
    ) -> torch.Tensor:
        """The same, added to [N, outputs]."""
        return torch.addmm(residual, rows, weight.t()) if bias is None else residual + linear(rows, weight, bias)


class OneDnnProducts(Products):
    """The same by oneDNN, in float32 on a CPU."""

    def pack(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight in a layout that only `multiply` and `multiply_add` can read."""
        packed: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight)
        return packed

    def multiply(self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """The product, [N, outputs], with a weight as it is or packed."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
        return product

    def multiply_add(
        self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, residual: torch.Tensor
    ) -> torch.Tensor:
        """The same, added to [N, outputs]."""
        added: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, residual, weight, bias, "add")
        return added


LINEAR = Products()
ONEDNN = OneDnnProducts()

_OUTPUTS, _INPUTS, _MOST_ROWS = 48, 80, 17
"""Sizes of what is tried, none of them a multiple of another."""


def products_for(tensor: torch.Tensor, onednn: Products = ONEDNN) -> Products:
    """The quickest way to multiply that works where a tensor is, in its dtype.

    Args:
        tensor: The weight or the rows.
        onednn: oneDNN's way, which is tried once.
    """
    # `linear` is MKL's there, and slower.
    is_float32_on_cpu = is_cpu(tensor.device) and tensor.dtype is torch.float32
    return onednn if is_float32_on_cpu and _is_right(onednn) else LINEAR


@functools.cache
@torch.inference_mode()
def _is_right(onednn: Products) -> bool:
    """Tells if oneDNN is there and gives the products of `linear`."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    otherwise = "float32 matrices are multiplied by PyTorch's linear, without oneDNN"
    return works(lambda: _all_products(onednn), _all_products(LINEAR), otherwise)


def _all_products(products: Products) -> list[torch.Tensor]:
    """All kinds of products: of one row or more, packed or not, with or without a bias."""
    generator = torch.Generator().manual_seed(0)
    sizes = ((_OUTPUTS, _INPUTS), (_OUTPUTS,), (_MOST_ROWS, _INPUTS), (_MOST_ROWS, _OUTPUTS))
    weight, bias, rows, residual = (
        torch.randn(size, generator=generator, dtype=torch.float32, device=generator.device) for size in sizes
    )
    made = []
    for num_rows, matrix, kind in itertools.product((1, _MOST_ROWS), (weight, products.pack(weight)), (bias, None)):
        made.append(products.multiply(rows[:num_rows], matrix, kind))
        made.append(products.multiply_add(rows[:num_rows], matrix, kind, residual[:num_rows]))
    return made
