"""Unquantized linear layers as the fused decoder multiplies with them."""

import torch
from torch import nn
from torch.nn.functional import linear

from service.engine.linears.onednn import can_use_onednn, onednn_linear


class _Projection:
    """What linear layers of the same input do, as one product.

    In float32 on a CPU the matrix is packed for oneDNN: 16 rows take half of the time that MKL takes for them (measured
    on an AMD EPYC with AVX-512). A head that shares its matrix with the embedding then has it once more.

    Args:
        parts: The layers, whose weights are taken from them.
    """

    def __init__(self, *parts: nn.Linear) -> None:
        weight = torch.cat([part.weight.detach() for part in parts]) if len(parts) > 1 else parts[0].weight.detach()
        biases = [part.bias.detach() for part in parts if part.bias is not None]
        self._bias = torch.cat(biases) if biases else None
        self._is_packed = can_use_onednn(weight)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self._is_packed else weight
        for part in parts:
            part.weight = nn.Parameter(weight.new_empty(0), requires_grad=False)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] to [rows, outputs]."""
        if self._is_packed:
            return onednn_linear(rows, self._weight, self._bias)
        return linear(rows, self._weight, self._bias)

    def added_to(self, residual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The same, added to [rows, outputs]."""
        if self._is_packed:
            output: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, residual, self._weight, self._bias, "add")
            return output
        if self._bias is None:
            return torch.addmm(residual, rows, self._weight.t())
        return residual + linear(rows, self._weight, self._bias)


class _Separate:
    """What linear layers of the same input do, side by side, for layers that can't be one product.

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
    """Whether a module multiplies by a matrix of plain numbers; a quantized one has a class or a tensor of its own."""
    return type(module) is nn.Linear and type(module.weight) is nn.Parameter
