"""Layers of which each rank of a tensor-parallel model has a part, and whose ranks speak to each other."""

from typing import Protocol

import torch
from torch import nn


class Ranks(Protocol):
    """The processes that share a model, as one of them sees them. All call the same methods in the same order.

    Attributes:
        rank: Which of them this is, from 0.
        size: How many there are.
    """

    rank: int
    size: int

    def add_up(self, part: torch.Tensor) -> None:
        """Makes `part` the sum of all ranks' parts, in place."""

    def least(self, number: int) -> int:
        """The least of all ranks' numbers."""

    def join(self, part: torch.Tensor) -> torch.Tensor:
        """All ranks' parts, of one shape, side by side in the last dimension."""


class SummedLinear(nn.Module):
    """A linear layer cut by its inputs: each rank multiplies its part of them, and the products are added up.

    Args:
        product: This rank's part, without a bias.
        bias: What the sum gets, [outputs], or None.
        ranks: Who shares the layer.
        has_all_inputs: Whether a rank is given all inputs, and not its part of them.
    """

    def __init__(self, product: nn.Linear, bias: nn.Parameter | None, ranks: Ranks, has_all_inputs: bool) -> None:
        super().__init__()
        self.product, self.bias = product, bias
        self._ranks, self._has_all_inputs = ranks, has_all_inputs

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """[..., inputs] or this rank's part of them, to [..., outputs]."""
        if self._has_all_inputs:
            rows = part_of(rows, -1, self._ranks)
        output: torch.Tensor = self.product(rows)
        self._ranks.add_up(output)
        return output if self.bias is None else output + self.bias


class JoinedLinear(nn.Module):
    """A linear layer cut by its outputs, of which each rank then gets all.

    Args:
        product: This rank's part.
        ranks: Who shares the layer.
    """

    def __init__(self, product: nn.Linear, ranks: Ranks) -> None:
        super().__init__()
        self.product = product
        self._ranks = ranks

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """[..., inputs] to [..., outputs]."""
        return self._ranks.join(self.product(rows))


class SummedEmbedding(nn.Module):
    """An embedding cut by the vocabulary: a rank has 0 for the tokens of others, and what the ranks have is added up.

    Args:
        lookup: This rank's part; one that does more than look up, as Gemma's, which scales, may.
        ranks: Who shares the embedding.
    """

    def __init__(self, lookup: nn.Embedding, ranks: Ranks) -> None:
        super().__init__()
        self.lookup = lookup
        self._ranks = ranks

    def forward(self, token_ids: torch.Tensor) -> torch.Tensor:
        """int64 [...] to [..., hidden size]."""
        num_own = self.lookup.num_embeddings
        own = token_ids - self._ranks.rank * num_own
        is_other = (own < 0) | (own >= num_own)
        output: torch.Tensor = self.lookup(own.masked_fill(is_other, 0)).masked_fill(is_other[..., None], 0)
        self._ranks.add_up(output)
        return output


CUT = (SummedLinear, JoinedLinear)
"""The linear layers of this kind. One cut by its outputs that each rank goes on with by itself is a plain one."""


def part_of(whole: torch.Tensor, dim: int, ranks: Ranks) -> torch.Tensor:
    """A rank's part, as a view."""
    size = whole.shape[dim] // ranks.size
    return whole.narrow(dim, ranks.rank * size, size)
