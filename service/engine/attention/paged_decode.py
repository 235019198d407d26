"""Attention of sequences that decode, straight from the KV cache's blocks.

Nothing is gathered before. All shapes depend only on the number of sequences, so a CUDA graph can replay it.
`--accelerate attention` uses it in place of `DecodeGroup`s.
"""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch

from service.engine.device import has_triton, num_multiprocessors
from service.engine.kernels.attention_params import AttentionParams


class DecodeAttention(Protocol):
    """One way to compute it."""

    def __call__(
        self,
        query: torch.Tensor,
        cache: torch.Tensor,
        block_table: torch.Tensor,
        lengths: torch.Tensor,
        params: AttentionParams,
    ) -> torch.Tensor:
        """Lets the newest token of each sequence attend to its sequence.

        Args:
            query: [N, heads, head size], not always contiguous.
            cache: One layer's, [blocks, BLOCK_SIZE, 2 * KV heads, head size]: keys' heads, then values'.
            block_table: Block ids, int32 [N, columns]; what stands behind a sequence's own is not used.
            lengths: Tokens of each sequence with the new one, int32 [N]; 0 for a row that is padding.
            params: The layer's.

        Returns:
            [N, heads, head size]; zeros where the length is 0. What a token does not see has no effect, NaN neither.
        """
        ...


@dataclass(frozen=True, slots=True)
class PagedDecode:
    """The sequences that decode; their tokens are the first N of the packed row.

    Attributes:
        attention: How it is computed.
        block_table: Block ids, int32 [N, columns], as many columns in each step.
        lengths: Tokens of each sequence with the new one, int32 [N]; 0 for a row that is padding.
    """

    attention: DecodeAttention
    block_table: torch.Tensor
    lengths: torch.Tensor

    @property
    def end(self) -> int:
        """The place where their tokens end in the packed row."""
        return self.lengths.shape[0]


def paged_decode_reference(
    query: torch.Tensor,
    cache: torch.Tensor,
    block_table: torch.Tensor,
    lengths: torch.Tensor,
    params: AttentionParams,
) -> torch.Tensor:
    """The definition, see `DecodeAttention`: on any device and in any precision, in float32 at least.

    It reads all columns, and so is quick only where these are few.
    """
    context = cache[block_table.long()].flatten(1, 2)
    positions = torch.arange(context.shape[1], device=query.device)
    is_seen = positions < lengths[:, None]
    if params.sliding_window is not None:
        is_seen &= positions >= lengths[:, None] - params.sliding_window
    precision = torch.promote_types(query.dtype, torch.float32)
    context = torch.where(is_seen[:, :, None, None], context, 0).to(precision)
    keys, values = context.transpose(1, 2).chunk(2, dim=1)
    rows = query.to(precision).reshape(*keys.shape[:2], -1, query.shape[2])
    scores = rows @ keys.transpose(-1, -2) * params.scaling
    if params.softcap is not None:
        scores = torch.tanh(scores / params.softcap) * params.softcap
    is_seen = is_seen[:, None, None]
    weights = torch.softmax(scores.masked_fill(~is_seen, -torch.inf), dim=-1)
    # The softmax of nothing is NaN.
    return (torch.where(is_seen, weights, 0) @ values).flatten(1, 2).to(query.dtype)


def decode_attention_for(device: torch.device) -> DecodeAttention:
    """The way to use on a device: the kernel on CUDA, elsewhere the definition."""
    if not has_triton(device):
        return paged_decode_reference
    # Only torch with CUDA brings Triton.
    from service.engine.kernels.paged_attention import paged_decode

    return partial(paged_decode, num_multiprocessors=num_multiprocessors(device))
