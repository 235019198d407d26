"""Unquantized linear layers as the fused decoder multiplies with them."""

import torch
from torch import nn

from service.engine.linears.merged import merged_bias
from service.engine.linears.onednn import ONEDNN, Products, products_for


class MergedLinear:
    """Linear layers of the same input as one product.

    In float32 on a CPU the matrix is packed for oneDNN: 16 rows take half of the time that MKL takes for them (measured
    on an AMD EPYC with AVX-512). A head that shares its matrix with the embedding then has it once more.

    Args:
        parts: The layers, whose weights are taken from them.
        onednn: oneDNN's way to multiply.
    """

    def __init__(self, *parts: nn.Linear, onednn: Products = ONEDNN) -> None:
        weight = torch.cat([part.weight.detach() for part in parts]) if len(parts) > 1 else parts[0].weight.detach()
        self._bias = merged_bias(parts)
        self._products = products_for(weight, onednn)
        self._weight = self._products.pack(weight)
        for part in parts:
            part.weight = nn.Parameter(weight.new_empty(0), requires_grad=False)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] to [rows, outputs]."""
        return self._products.multiply(rows, self._weight, self._bias)

    def added_to(self, residual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The same, added to [rows, outputs]."""
        return self._products.multiply_add(rows, self._weight, self._bias, residual)


class SeparateLinears:
    """Linear layers of the same input side by side, for those that can't be one product.

    Args:
        parts: The layers.
    """

    def __init__(self, *parts: nn.Module) -> None:
        self._parts = parts

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] to [rows, outputs]."""
        return torch.cat([part(rows) for part in self._parts], dim=-1) if len(self._parts) > 1 else self._parts[0](rows)

    def added_to(self, residual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The same, added to [rows, outputs]."""
        return residual + self(rows)


def is_plain_linear(module: nn.Module) -> bool:
    """Tells if a module multiplies by a matrix of plain numbers; a quantized one has a class or a tensor of its own."""
    return type(module) is nn.Linear and type(module.weight) is nn.Parameter
