"""Attention of sequences that prefill, by PyTorch's own kernels over keys and values gathered from the KV cache."""

from dataclasses import dataclass

import torch
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

from service.engine.kernels.attention_params import AttentionParams


@dataclass(frozen=True, slots=True)
class PrefillChunk:
    """A sequence that prefills.

    Attributes:
        start, end: Its tokens' places in the packed row.
        num_computed_tokens: How many of its tokens are in the KV cache already.
        block_table: Block ids, int64 [blocks].
    """

    start: int
    end: int
    num_computed_tokens: int
    block_table: torch.Tensor

    @property
    def num_context(self) -> int:
        """The number of tokens that its last one can see."""
        return self.num_computed_tokens + self.end - self.start

    def first_seen(self, sliding_window: int | None) -> int:
        """The first token of its sequence that its tokens see."""
        return 0 if sliding_window is None else max(0, self.num_computed_tokens - sliding_window + 1)


def prefill(
    query: torch.Tensor,
    keys_values: torch.Tensor,
    cache: torch.Tensor,
    chunk: PrefillChunk,
    params: AttentionParams,
) -> torch.Tensor:
    """Lets a chunk attend to its sequence so far and, causally, to itself.

    Args:
        query: The whole packed row's, [T, heads, head size].
        keys_values: The row's keys' heads, then values', [T, 2 * KV heads, head size].
        cache: One layer's, with the chunk's keys and values in it already.
        chunk: The sequence.
        params: The layer's.

    Returns:
        [end - start, heads, head size].
    """
    num_tokens = chunk.end - chunk.start
    num_context = chunk.num_context
    scaling, window, softcap = params
    if window is not None and num_context <= window:
        window = None
    queries = query[None, chunk.start : chunk.end].transpose(1, 2)
    context = _context_of_chunk(keys_values, cache, chunk, window)
    keys, values = context.transpose(1, 2).chunk(2, dim=1)
    if window is None and softcap is None:
        # No mask is made where the device's own kernel knows this one.
        bias = causal_lower_right(num_tokens, num_context)
        output = scaled_dot_product_attention(queries, keys, values, attn_mask=bias, scale=scaling, enable_gqa=True)
        return output[0].transpose(0, 1)
    mask = _prefill_mask(num_tokens, keys.shape[2], window, query)
    if softcap is not None:
        rows = queries.reshape(1, keys.shape[1], -1, num_tokens, queries.shape[-1])
        output = softcapped(rows, keys[:, :, None], values[:, :, None], mask, scaling, softcap).flatten(1, 2)
        return output[0].transpose(0, 1)
    # With a mask, CUDA's kernels that don't write all scores to memory want a key and value for each query head.
    group = queries.shape[1] // keys.shape[1]
    keys, values = (states.repeat_interleave(group, dim=1) for states in (keys, values))
    output = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=scaling)
    return output[0].transpose(0, 1)


def _context_of_chunk(
    keys_values: torch.Tensor, cache: torch.Tensor, chunk: PrefillChunk, window: int | None
) -> torch.Tensor:
    """Keys and values from the first that a chunk's tokens see: [1, tokens, 2 * KV heads, head size]."""
    if chunk.num_computed_tokens == 0:
        return keys_values[None, chunk.start : chunk.end]
    block_size, first, end = cache.shape[1], chunk.first_seen(window), chunk.num_context
    first_block = first // block_size
    gathered = gather(cache, chunk.block_table[None, first_block:])
    return gathered[:, first - first_block * block_size : end - first_block * block_size]


def _prefill_mask(num_tokens: int, num_context: int, sliding_window: int | None, query: torch.Tensor) -> torch.Tensor:
    """A mask of what the last `num_tokens` tokens must not see, additive [num_tokens, num_context]."""
    context = torch.arange(num_context, device=query.device)
    own = context[num_context - num_tokens :, None]
    hidden = context > own
    if sliding_window is not None:
        hidden |= context <= own - sliding_window
    return additive(hidden, query.dtype)


def softcapped(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    softcap: float,
) -> torch.Tensor:
    """Attention with scores softcap * tanh(score / softcap) (Gemma 2, arXiv:2408.00118), which SDPA does not offer.

    Args:
        queries: [..., queries, head size].
        keys, values: [..., tokens, head size]; leading dimensions are broadcast.
        mask: What is added to scores, [..., queries, tokens].

    Returns:
        [..., queries, head size].
    """
    scores = (queries @ keys.transpose(-1, -2)).to(torch.promote_types(queries.dtype, torch.float32))
    scores = torch.tanh(scores * (scaling / softcap)) * softcap
    if mask is not None:
        scores = scores + mask
    return torch.softmax(scores, dim=-1).to(queries.dtype) @ values


def additive(hidden: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A mask to be added to scores: minus infinity where `hidden` is true, otherwise 0."""
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(hidden, -torch.inf)


def gather(cache: torch.Tensor, block_table: torch.Tensor) -> torch.Tensor:
    """Keys' heads, then values', of each sequence: [sequences, blocks * BLOCK_SIZE, 2 * KV heads, head size]."""
    num_sequences, num_blocks = block_table.shape
    gathered = cache.index_select(0, block_table.flatten())
    return gathered.view(num_sequences, num_blocks * cache.shape[1], *cache.shape[2:])
