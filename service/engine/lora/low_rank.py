"""Linear layers whose product gets, for rows that use an adapter, the product of its two low-rank matrices on top."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from service.engine.lora.rows import ActiveRows, AdapterRows, Tiles

AddLowRank = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, Tiles], None]
"""The kernel: adds to outputs, from rows, with all adapters' first and second matrices, what the tiles ask for."""


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """One layer's matrices of all adapters (Hu et al., arXiv:2106.09685), with zeros up to the largest rank.

    Attributes:
        first: [adapters, rank, inputs].
        second: [adapters, outputs, rank]; the scaling is in it.
        ranks: Each adapter's own rank; 0 for one that leaves the layer as it is.
        kernel: What multiplies tiles; None to multiply each adapter's rows by themselves.
    """

    first: torch.Tensor
    second: torch.Tensor
    ranks: tuple[int, ...]
    kernel: AddLowRank | None = None

    def add_to(self, outputs: torch.Tensor, inputs: torch.Tensor, rows: AdapterRows) -> None:
        """Adds each row's product, in place.

        Args:
            outputs: [rows, outputs], possibly columns of more.
            inputs: [rows, inputs].
            rows: Which of the rows use which adapter.
        """
        if rows.tiles is not None and self.kernel is not None:
            self.kernel(outputs, inputs, self.first, self.second, rows.tiles)
            return
        for adapter, places in rows.groups:
            if rank := self.ranks[adapter]:
                first, second = self.first[adapter, :rank], self.second[adapter, :, :rank]
                if places is None:
                    outputs += (inputs @ first.t()) @ second.t()
                else:
                    product = (inputs.index_select(0, places) @ first.t()) @ second.t()
                    outputs.index_add_(0, places, product)


class AdaptedLinear(nn.Module):
    """A linear layer of a model's class with the adapters that change it.

    Args:
        base: The layer as it is without them.
        low_rank: Their matrices.
        active: Which rows use them.
    """

    def __init__(self, base: nn.Module, low_rank: LowRank, active: ActiveRows) -> None:
        super().__init__()
        self.base = base
        self.low_rank, self.active = low_rank, active

    @property
    def in_features(self) -> int:
        """The number of inputs."""
        return self.low_rank.first.shape[2]

    @property
    def out_features(self) -> int:
        """The number of outputs."""
        return self.low_rank.second.shape[1]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., inputs] to [..., outputs]."""
        output: torch.Tensor = self.base(hidden)
        if (rows := self.active.now) is not None:
            self.low_rank.add_to(output.view(-1, self.out_features), hidden.reshape(-1, self.in_features), rows)
        return output


class Linears(Protocol):
    """Linear layers of the same input; see `MergedLinear`."""

    def __call__(self, rows: torch.Tensor) -> torch.Tensor: ...

    def added_to(self, residual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor: ...


class AdaptedLinears:
    """The same for layers that are one product.

    Args:
        base: The layers as they are without adapters.
        parts: Where in its outputs each part's begin, and the part's matrices, for those that adapters change.
        active: Which rows use them.
    """

    def __init__(self, base: Linears, parts: Sequence[tuple[int, LowRank]], active: ActiveRows) -> None:
        self._base, self._parts, self._active = base, parts, active

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] to [rows, outputs]."""
        return self._with_adapters(self._base(rows), rows)

    def added_to(self, residual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The same, added to [rows, outputs]."""
        return self._with_adapters(self._base.added_to(residual, rows), rows)

    def _with_adapters(self, output: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        if (adapted := self._active.now) is not None:
            for start, low_rank in self._parts:
                low_rank.add_to(output[:, start : start + low_rank.second.shape[1]], rows, adapted)
        return output


def without_adapters(layer: Any) -> Any:
    """A linear layer as it is without adapters."""
    return layer.base if isinstance(layer, AdaptedLinear) else layer


def with_adapters(base: Linears, layers: Sequence[nn.Module], sizes: Sequence[int]) -> Linears:
    """Adds the adapters of some layers to what computes them in one.

    Args:
        base: That.
        layers: The layers, in the order of its outputs.
        sizes: How many outputs each has.
    """
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    adapted = [(start, layer) for start, layer in zip(starts, layers, strict=True) if isinstance(layer, AdaptedLinear)]
    if not adapted:
        return base
    return AdaptedLinears(base, [(start, layer.low_rank) for start, layer in adapted], adapted[0][1].active)
