"""Places for packed matrices of GGUF files: their blocks as they are on the disk.

A block is 32 weights of a row: the scale, in Q4_1 an offset, and the codes. Of 4 bits the first 16 weights have the
lower halves of the bytes, the others the higher.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from service.checkpoints.gguf import Kind
from service.checkpoints.gguf_weights import GROUP_SIZE, PACKED_BITS
from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.weights.packed_layers import MakeLinear, PackedLinear

_ZEROS = {"Q4_0": 8, "Q8_0": 128}
"""The code of 0 in kinds without an offset; codes of 8 bits have a sign in the file and none here."""

_LARGEST_ZERO = 4096.0
"""A zero beyond it is for a block of nearly equal weights, and would not be told from its neighbours in 16 bits."""


class GgufLayer(nn.Module):
    """A matrix in blocks.

    Args:
        linear: The plain layer that it stands for.
        kind: How it is packed, one of `PACKED_BITS`.

    Attributes:
        weight: The blocks, uint8 [outputs, inputs / 32 * bytes of a block].
        bits: Of a code.
    """

    weight: torch.Tensor

    def __init__(self, linear: nn.Linear, kind: Kind) -> None:
        super().__init__()
        row_bytes = linear.in_features // GROUP_SIZE * kind.num_bytes
        self.bias = linear.bias
        self.bits = PACKED_BITS[kind.name]
        self._kind = kind
        self.register_buffer("weight", torch.empty((linear.out_features, row_bytes), dtype=torch.uint8))

    def to_linear(self, dtype: torch.dtype, make: Callable[[int], MakeLinear]) -> PackedLinear:
        """The layer that computes with these weights, in memory of its own."""
        blocks = self.weight.view(self.weight.shape[0], -1, self._kind.num_bytes)
        num_bytes = GROUP_SIZE * self.bits // 8
        numbers = blocks[:, :, :-num_bytes].contiguous().view(torch.float16).float()
        codes = blocks[:, :, -num_bytes:]
        codes = codes ^ 128 if self.bits == 8 else torch.cat((codes & 15, codes >> 4), dim=-1)
        groups = self._groups(codes, numbers)
        flat = groups.codes.reshape(self.weight.shape[0], -1)
        return make(self.bits)(GroupedWeights(flat, groups.scales, groups.zeros, self.bits, self.bias), dtype)

    def _groups(self, codes: torch.Tensor, numbers: torch.Tensor) -> "_Groups":
        scales = numbers[:, :, 0]
        if self._kind.name in _ZEROS:
            return _Groups(codes, scales, torch.full_like(scales, _ZEROS[self._kind.name]))
        offsets = numbers[:, :, 1]
        zeros = -offsets / scales
        # weight = scale * code + offset; where all are nearly the offset, that is scale * (0 - zero) with the zero -1
        is_flat = ~(zeros.abs() <= _LARGEST_ZERO)
        return _Groups(
            codes.masked_fill(is_flat[:, :, None], 0),
            torch.where(is_flat, offsets, scales),
            torch.where(is_flat, -torch.ones_like(zeros), zeros),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    codes: torch.Tensor
    scales: torch.Tensor
    zeros: torch.Tensor
