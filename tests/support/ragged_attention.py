"""Steps of prompts that attend in one call; and `varlen_attn` as documented, where the library has no kernel."""

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from service.engine.attention.prefill import PrefillChunk, prefill
from service.engine.attention.varlen import VarlenAttention
from service.engine.kernels.attention_params import AttentionParams
from service.engine_protocol.engine_config import BLOCK_SIZE, num_blocks_for

NUM_KV_HEADS, HEAD_SIZE, NUM_DECODING = 2, 16, 3
CASES = {
    "one prompt": [(0, 37)],
    "prompts of all lengths": [(0, 5), (0, 150), (0, 1), (0, 64)],
    "chunks of prompts": [(0, 9), (33, 40), (300, 1), (17, 129)],
    "the second half of one": [(48, 16)],
}
"""How many tokens of each sequence are in the cache, and how many come."""


@dataclass(frozen=True)
class RaggedStep:
    """The prompts of a step, behind tokens that decode.

    Attributes:
        states: Queries, keys and values of the row, and a cache that has them, NaN elsewhere.
        chunks: The prompts.
    """

    states: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    chunks: list[PrefillChunk]

    def by_themselves(self, params: AttentionParams) -> torch.Tensor:
        """What each attends to by itself."""
        return torch.cat([prefill(*self.states, chunk, params) for chunk in self.chunks])

    def to(self, device: str, dtype: torch.dtype) -> "RaggedStep":
        """The same elsewhere, rounded."""
        query, keys_values, cache = (states.to(device, dtype) for states in self.states)
        chunks = [
            PrefillChunk(it.start, it.end, it.num_computed_tokens, it.block_table.to(device)) for it in self.chunks
        ]
        return RaggedStep((query, keys_values, cache), chunks)


def ragged_step(case: list[tuple[int, int]], num_heads: int, head_size: int = HEAD_SIZE) -> RaggedStep:
    """A step of random states, with blocks in random order."""
    starts = list(itertools.accumulate((new for _, new in case), initial=NUM_DECODING))
    query, keys_values = _random(starts[-1], num_heads, head_size), _random(starts[-1], 2 * NUM_KV_HEADS, head_size)
    num_blocks = [num_blocks_for(before + new) for before, new in case]
    tables = torch.randperm(sum(num_blocks), generator=torch.Generator().manual_seed(1)).split(num_blocks)
    cache = torch.full((sum(num_blocks), BLOCK_SIZE, 2 * NUM_KV_HEADS, head_size), torch.nan)
    chunks = []
    for (before, new), table, start in zip(case, tables, starts, strict=False):
        slots = (table[:, None] * BLOCK_SIZE + torch.arange(BLOCK_SIZE)).flatten()
        cache.flatten(0, 1)[slots[:before]] = _random(before, 2 * NUM_KV_HEADS, head_size)
        cache.flatten(0, 1)[slots[before : before + new]] = keys_values[start : start + new]
        chunks.append(PrefillChunk(start, start + new, before, table))
    return RaggedStep((query, keys_values, cache), chunks)


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(shape[1]))


def varlen_as_documented(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    num_splits: int | None = None,
) -> torch.Tensor:
    """That of PyTorch 2.12 and 2.13; causal from the lower right corner, as flash attention is."""
    assert enable_gqa or query.shape[1] == key.shape[1]
    assert num_splits == 1, "others have given wrong rows"
    return _attend(query, key, value, (cu_seq_q, cu_seq_k), (max_q, max_k), scale, window_size)


def varlen_of_2_11(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    return_aux: object = None,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
) -> torch.Tensor:
    """That of PyTorch 2.11, which neither asks about heads nor splits."""
    return _attend(query, key, value, (cu_seq_q, cu_seq_k), (max_q, max_k), scale, window_size)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: tuple[torch.Tensor, torch.Tensor],
    longest: tuple[int, int],
    scale: float | None,
    window: tuple[int, int],
) -> torch.Tensor:
    assert all(each.dtype is torch.int32 for each in bounds)
    assert [int(each.diff().max()) for each in bounds] == list(longest)
    outputs = []
    for (q_start, q_end), (k_start, k_end) in zip(*(itertools.pairwise(it.tolist()) for it in bounds), strict=True):
        own = torch.arange(q_end - q_start)[:, None] + (k_end - k_start) - (q_end - q_start)
        place = torch.arange(k_end - k_start)
        seen = (window[1] < 0) | (place <= own + window[1])
        if window[0] >= 0:
            seen = seen & (place >= own - window[0])
        rows = (query[q_start:q_end], key[k_start:k_end], value[k_start:k_end])
        queries, keys, values = (states.transpose(0, 1)[None] for states in rows)
        output = scaled_dot_product_attention(queries, keys, values, attn_mask=seen, scale=scale, enable_gqa=True)
        outputs.append(output[0].transpose(0, 1))
    return torch.cat(outputs)


class WrongBeyond(VarlenAttention):
    """One that is wrong for tokens from the 129th of a context on."""

    def __call__(self, query: torch.Tensor, context: torch.Tensor, plan: Any, params: Any) -> torch.Tensor:
        output = super().__call__(query, context, plan, params)
        return output if plan.longest_context <= 128 else 1.2 * output
