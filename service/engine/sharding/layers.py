"""Layers of which each rank of a tensor-parallel model has a shard, and whose ranks speak to each other."""

from typing import Protocol

import torch
from torch import nn


class Ranks(Protocol):
    """The processes that share a model, as one of them sees them. All call the same methods in the same order.

    Attributes:
        rank: This process's number, from 0.
        world_size: How many there are.
    """

    rank: int
    world_size: int

    def all_reduce(self, tensor: torch.Tensor) -> None:
        """Makes a tensor the sum of all ranks' tensors, in place."""

    def all_reduce_min(self, number: int) -> int:
        """The least of all ranks' numbers."""

    def all_gather(self, tensor: torch.Tensor) -> torch.Tensor:
        """All ranks' tensors, of one shape, side by side in the last dimension."""


class RowParallelLinear(nn.Module):
    """A linear layer sharded by its inputs: each rank multiplies its shard of them, and the products are summed.

    Args:
        shard: This rank's, without a bias.
        bias: What the sum gets, [outputs], or None.
        ranks: Who shares the layer.
        has_all_inputs: Whether a rank is given all inputs, and not its shard of them.
    """

    def __init__(self, shard: nn.Linear, bias: nn.Parameter | None, ranks: Ranks, has_all_inputs: bool) -> None:
        super().__init__()
        self.shard, self.bias = shard, bias
        self._ranks, self._has_all_inputs = ranks, has_all_inputs

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """[..., inputs] or this rank's shard of them, to [..., outputs]."""
        if self._has_all_inputs:
            rows = shard_of(rows, -1, self._ranks)
        output: torch.Tensor = self.shard(rows)
        self._ranks.all_reduce(output)
        return output if self.bias is None else output + self.bias


class ColumnParallelLinear(nn.Module):
    """A linear layer sharded by its outputs, which are gathered: each rank gets all of them.

    Args:
        shard: This rank's.
        ranks: Who shares the layer.
    """

    def __init__(self, shard: nn.Linear, ranks: Ranks) -> None:
        super().__init__()
        self.shard = shard
        self._ranks = ranks

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """[..., inputs] to [..., outputs]."""
        return self._ranks.all_gather(self.shard(rows))


class VocabParallelEmbedding(nn.Module):
    """An embedding sharded by the vocabulary: a rank has 0 for the tokens of others, and the ranks' outputs are summed.

    Args:
        shard: This rank's; one that does more than look up, as Gemma's, which scales, may.
        ranks: Who shares the embedding.
    """

    def __init__(self, shard: nn.Embedding, ranks: Ranks) -> None:
        super().__init__()
        self.shard = shard
        self._ranks = ranks

    def forward(self, token_ids: torch.Tensor) -> torch.Tensor:
        """int64 [...] to [..., hidden size]."""
        num_own = self.shard.num_embeddings
        own = token_ids - self._ranks.rank * num_own
        is_other = (own < 0) | (own >= num_own)
        output: torch.Tensor = self.shard(own.masked_fill(is_other, 0)).masked_fill(is_other[..., None], 0)
        self._ranks.all_reduce(output)
        return output


PARALLEL_LINEARS = (RowParallelLinear, ColumnParallelLinear)
"""The linear layers of this kind. One sharded by its outputs that are not gathered is a plain one."""


def shard_of(whole: torch.Tensor, dim: int, ranks: Ranks) -> torch.Tensor:
    """A rank's shard, as a view."""
    size = whole.shape[dim] // ranks.world_size
    return whole.narrow(dim, ranks.rank * size, size)
