"""A matrix of 4 or 8 bits as checkpoints have it, before a layer lays it out for its kernel."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, slots=True, eq=False)
class GroupedWeights:
    """Weights that share scale and zero in groups of inputs: weight = scale * (code - zero).

    Attributes:
        codes: uint8 [outputs, inputs], below 2 ** bits.
        scales, zeros: [outputs, groups]; each group has as many inputs, that follow one another.
        bits: 4 or 8.
        bias: [outputs], or None.
        order: Which input each column of `codes` is for, int64 [inputs]; None if they are in order.
    """

    codes: torch.Tensor
    scales: torch.Tensor
    zeros: torch.Tensor
    bits: int
    bias: nn.Parameter | None = None
    order: torch.Tensor | None = None

    @property
    def group_size(self) -> int:
        """The number of inputs that share a scale."""
        return self.codes.shape[1] // self.scales.shape[1]
