"""Attention of all sequences that prefill in one call: queries and what they see stand one behind the other.

`prefill` is called for each sequence instead. What is quicker depends on the device, so a trial chooses.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch

from service.engine.attention.prefill import PrefillChunk
from service.engine.kernels.attention_params import AttentionParams


class RaggedLengths(NamedTuple):
    """The lengths of a step's chunks and of what they see. The last token of each sees the last of its context.

    Attributes:
        queries: The number of tokens of each chunk.
        contexts: The number of tokens that those of each chunk see, its own among them.
        sliding_window: The number of tokens, itself the last, that a token sees; None for all.
        device: Where the chunks are.
    """

    queries: tuple[int, ...]
    contexts: tuple[int, ...]
    sliding_window: int | None
    device: torch.device


class PrefillAttention(Protocol):
    """One way to compute it."""

    def plan(self, lengths: RaggedLengths) -> Any:
        """Prepares for all layers of a step that have the same window."""
        ...

    def __call__(self, query: torch.Tensor, context: torch.Tensor, plan: Any, params: AttentionParams) -> torch.Tensor:
        """Lets each chunk attend to its own context.

        Args:
            query: The chunks', [T, heads, head size].
            context: Keys' heads, then values', [N, 2 * KV heads, head size].
            plan: What `plan` made for lengths of T and N tokens.
            params: The layer's.

        Returns:
            [T, heads, head size].

        Raises:
            AccelerationError: It can't do what the layer asks for.
        """
        ...


class _Planned(NamedTuple):
    """A plan, and the slots of its context in the KV cache, int64 [N]; None if that is the packed row's own."""

    plan: Any
    slots: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class PackedPrefill:
    """The sequences of a step that prefill; their tokens are the last of the packed row.

    Attributes:
        attention: How it is computed.
        chunks: The sequences, in the row's order.
    """

    attention: PrefillAttention
    chunks: list[PrefillChunk]
    _planned: dict[int | None, _Planned] = field(default_factory=dict)

    def attend(
        self, query: torch.Tensor, keys_values: torch.Tensor, cache: torch.Tensor, params: AttentionParams
    ) -> torch.Tensor:
        """Lets all chunks attend to their sequences so far and, causally, to themselves.

        Args:
            query: The whole packed row's, [T, heads, head size].
            keys_values: The row's keys' heads, then values', [T, 2 * KV heads, head size].
            cache: One layer's, with the chunks' keys and values in it already.
            params: The layer's.

        Returns:
            [tokens that prefill, heads, head size].
        """
        window, start = self._window(params), self.chunks[0].start
        if window not in self._planned:
            self._planned[window] = self._plan(window, cache.shape[1], query.device)
        plan, slots = self._planned[window]
        context = keys_values[start:] if slots is None else cache.flatten(0, 1).index_select(0, slots)
        return self.attention(query[start:], context, plan, params)

    def _window(self, params: AttentionParams) -> int | None:
        """The window, if it hides anything."""
        longest = max(chunk.num_context for chunk in self.chunks)
        return params.sliding_window if params.sliding_window is not None and longest > params.sliding_window else None

    def _plan(self, window: int | None, block_size: int, device: torch.device) -> _Planned:
        contexts = tuple(chunk.num_context - chunk.first_seen(window) for chunk in self.chunks)
        queries = tuple(chunk.end - chunk.start for chunk in self.chunks)
        plan = self.attention.plan(RaggedLengths(queries, contexts, window, device))
        is_row = not any(chunk.num_computed_tokens for chunk in self.chunks)
        return _Planned(plan, None if is_row else torch.cat([_slots(it, window, block_size) for it in self.chunks]))


def _slots(chunk: PrefillChunk, window: int | None, block_size: int) -> torch.Tensor:
    """Where in the KV cache stands what a chunk sees."""
    offsets = torch.arange(block_size, device=chunk.block_table.device)
    slots = (chunk.block_table[:, None] * block_size + offsets).flatten()
    return slots[chunk.first_seen(window) : chunk.num_context]
