"""Unquantized linear layers as the fused decoder multiplies with them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from service.engine.linears.codes import CodesLinear
from service.engine.linears.merged import merged_bias
from service.engine.linears.onednn import Products
from service.engine.linears.ways import chosen_products
from service.engine.native.matrix import Matrix
from service.engine.native.memory import let_go


class MergedLinear:
    """Linear layers of the same input as one product.

    On a CPU the matrix is packed: for compiled code of our own, or else in float32 for oneDNN. A head that shares its
    matrix with the embedding then has it once more.

    Args:
        parts: The layers, whose weights are taken from them, one after another.
        products: The way to multiply; None for the chosen one, see `ways`.
    """

    def __init__(self, *parts: nn.Linear, products: Products | None = None) -> None:
        self._bias = merged_bias(parts)
        self._products = chosen_products([part.weight for part in parts]) if products is None else products
        outputs = sum(part.weight.shape[0] for part in parts)
        self._weight = self._products.pack_parts(_taken(parts), outputs, self._bias)

    @property
    def matrix(self) -> Matrix | None:
        """The matrix with its bias as compiled code takes it, if that multiplies."""
        return self._weight if isinstance(self._weight, Matrix) else None

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] to [rows, outputs]."""
        return self._products.multiply(rows, self._weight, self._bias)

    def added_to(self, residual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The same, added to [rows, outputs]."""
        return self._products.multiply_add(rows, self._weight, self._bias, residual)


def pack_in_place(layer: Any) -> MergedLinear:
    """Makes a plain linear layer of a class multiply by its packed matrix; its `weight` is empty then.

    Returns:
        What multiplies.
    """
    outputs, product = layer.weight.shape[0], MergedLinear(layer)

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        return product(hidden.reshape(-1, hidden.shape[-1])).view(*hidden.shape[:-1], outputs)

    layer.forward = forward
    return product


class SeparateLinears:
    """Linear layers of the same input side by side, for those that can't be one product.

    Args:
        parts: The layers.
    """

    def __init__(self, *parts: nn.Module) -> None:
        self._parts = parts

    @property
    def matrix(self) -> Matrix | None:
        """The matrix with its bias as compiled code takes it, if it is one and that multiplies."""
        first, *others = self._parts
        return first.matrix if isinstance(first, CodesLinear) and not others else None

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] to [rows, outputs]."""
        return torch.cat([part(rows) for part in self._parts], dim=-1) if len(self._parts) > 1 else self._parts[0](rows)

    def added_to(self, residual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The same, added to [rows, outputs]."""
        if (matrix := self.matrix) is not None:
            return matrix.multiply(rows, residual)
        return residual + self(rows)


def _taken(parts: tuple[nn.Linear, ...]) -> Iterator[torch.Tensor]:
    """The layers' weights, which the layers lose."""
    for part in parts:
        weight = part.weight.detach()
        part.weight = nn.Parameter(weight.new_empty(0), requires_grad=False)
        yield weight
        let_go(weight)
        del weight


def is_plain_linear(module: nn.Module) -> bool:
    """Tells if a module multiplies by a matrix of plain numbers; a quantized one has a class or a tensor of its own."""
    return type(module) is nn.Linear and type(module.weight) is nn.Parameter
