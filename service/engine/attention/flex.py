"""PyTorch's FlexAttention, compiled for the device, for sequences that prefill: it knows windows and capped scores."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import pad

from service.engine.attention.packed_prefill import RaggedLengths
from service.engine.device import tensor_to_device
from service.engine.kernels.attention_params import AttentionParams
from service.engine.progress import tell_progress

Flex = Callable[..., torch.Tensor]
"""`flex_attention`, compiled or not."""

_BLOCK = 128
"""FlexAttention leaves out blocks of so many queries and tokens."""

_LEAST_BLOCKS = 2
"""What is compiled takes one block for granted, and any other number as variable."""

_WARM_UP = (_LEAST_BLOCKS * _BLOCK, (_LEAST_BLOCKS + 1) * _BLOCK)
"""Lengths of prompts: a number that is seen for the first time is taken for granted, and as variable at another."""


class FlexPlan(NamedTuple):
    """Which tokens are seen, and the numbers of queries and tokens, filled up to whole blocks."""

    mask: BlockMask
    num_queries: int
    num_tokens: int


class FlexAttention:
    """Attends by the library's function; see `PrefillAttention`.

    Args:
        flex: The function.
    """

    def __init__(self, flex: Flex = flex_attention) -> None:
        self._flex = flex
        self._warm: set[tuple[object, ...]] = set()

    def plan(self, lengths: RaggedLengths) -> FlexPlan:
        """Prepares for all layers of a step that have the same window."""
        seen = _seen(lengths)
        num_tokens = _filled_up(sum(lengths.contexts))
        num_queries = seen.shape[1]
        blocks = seen.reshape(2, -1, _BLOCK) // _BLOCK
        first_blocks, last_blocks = blocks[0].min(axis=1), blocks[1].max(axis=1)
        indices = np.minimum(first_blocks[:, None] + np.arange(num_tokens // _BLOCK), num_tokens // _BLOCK - 1)
        tables = [last_blocks - first_blocks + 1, indices, seen]
        counts, indices_there, seen_there = (
            tensor_to_device(torch.from_numpy(table.astype(np.int32)), lengths.device) for table in tables
        )
        first, last = seen_there[0], seen_there[1]

        def sees(batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
            return torch.logical_and(token >= first[query], token <= last[query])

        mask = BlockMask.from_kv_blocks(
            counts[None, None],
            indices_there[None, None],
            BLOCK_SIZE=_BLOCK,
            mask_mod=sees,
            seq_lengths=(num_queries, num_tokens),
            compute_q_blocks=False,
        )
        return FlexPlan(mask, num_queries, num_tokens)

    def __call__(
        self, query: torch.Tensor, context: torch.Tensor, plan: FlexPlan, params: AttentionParams
    ) -> torch.Tensor:
        """Lets each chunk attend to its own context; see `PrefillAttention`."""
        self._warm_up(query, context, params)
        return self._attend(query, context, plan, params)

    def _warm_up(self, query: torch.Tensor, context: torch.Tensor, params: AttentionParams) -> None:
        """Has all compiled that layers of a kind need before the first of them, which is at load."""
        kind = (*query.shape[1:], context.shape[1], query.dtype, params.scaling, params.softcap)
        if kind in self._warm:
            return
        for num_done, length in enumerate(_WARM_UP, 1):
            prompt, states = (each.new_zeros((length, *each.shape[1:])) for each in (query, context))
            self._attend(prompt, states, self.plan(RaggedLengths((length,), (length,), None, query.device)), params)
            tell_progress("compiling attention", num_done, len(_WARM_UP))
        self._warm.add(kind)

    def _attend(
        self, query: torch.Tensor, context: torch.Tensor, plan: FlexPlan, params: AttentionParams
    ) -> torch.Tensor:
        keys, values = _as_heads(context, plan.num_tokens).chunk(2, dim=1)
        queries = _as_heads(query, plan.num_queries)
        output = self._flex(
            queries,
            keys,
            values,
            score_mod=None if params.softcap is None else _capping(params.softcap),
            block_mask=plan.mask,
            scale=params.scaling,
            enable_gqa=True,
        )
        return output[0].transpose(0, 1)[: query.shape[0]]


def compiled_flex() -> Flex:
    """The library's function, compiled at its first call for any lengths."""
    # Where layers are compiled too, nothing else is compiled while they run.
    compiled: Flex = torch.compiler.set_stance("default")(torch.compile(flex_attention, dynamic=True))
    return compiled


def _seen(lengths: RaggedLengths) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """The first and the last place in the context that each query sees, [2, queries]; the last query fills it up."""
    seen, begin = [], 0
    for num_queries, num_context in zip(lengths.queries, lengths.contexts, strict=True):
        last = np.arange(begin + num_context - num_queries, begin + num_context)
        window = lengths.sliding_window or num_context
        seen.append(np.stack((np.maximum(last - window + 1, begin), last)))
        begin += num_context
    ranges = np.concatenate(seen, axis=1)
    return np.pad(ranges, ((0, 0), (0, _filled_up(ranges.shape[1]) - ranges.shape[1])), mode="edge")


def _filled_up(count: int) -> int:
    return max(_LEAST_BLOCKS, -(-count // _BLOCK)) * _BLOCK


def _as_heads(states: torch.Tensor, length: int) -> torch.Tensor:
    """[T, heads, head size] as [1, heads, length, head size], with zeros behind."""
    return pad(states, (0, 0, 0, 0, 0, length - states.shape[0])).transpose(0, 1)[None]


def _capping(softcap: float) -> Callable[..., torch.Tensor]:
    def cap(
        score: torch.Tensor, batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, token: torch.Tensor
    ) -> torch.Tensor:
        return softcap * torch.tanh(score / softcap)

    return cap
