"""A step as attention sees it: the tokens of a packed row, and what each attends to."""

from dataclasses import dataclass, field

import torch

from service.engine.attention.packed_prefill import PackedPrefill
from service.engine.attention.paged_decode import PagedDecode
from service.engine.attention.prefill import PrefillChunk, additive


@dataclass(frozen=True, slots=True)
class DecodeGroup:
    """Sequences that decode and have about equally many tokens, so that one gather serves them all.

    Attributes:
        start, end: Their tokens' places in the packed row.
        block_table: Block ids, int64 [end - start, blocks of the longest]; rows are padded with their own last block.
            What stands behind a sequence's tokens is masked, but must be finite: 0 times NaN is NaN.
        lengths: Tokens of each sequence with the new one, int64 [end - start].
        max_length: The longest of them.
        gathered: What `gather` gave for each layer. The next step's group of the same sequences takes it over and only
            adds its own tokens, instead of reading all blocks again. It takes as much memory as the blocks.
        gathered_slots: Where in it each sequence's new token goes, sequence * tokens + token, int64 [end - start].
    """

    start: int
    end: int
    block_table: torch.Tensor
    lengths: torch.Tensor
    max_length: int
    gathered: dict[int, torch.Tensor]
    gathered_slots: torch.Tensor
    _masks: dict[int | None, torch.Tensor | None] = field(default_factory=dict)

    def mask(self, sliding_window: int | None, dtype: torch.dtype) -> torch.Tensor | None:
        """A mask of what each sequence must not see, additive [end - start, 1, 1, max_length]; None if that is nothing.

        Made once for each kind of layer, not for each layer.
        """
        window = sliding_window if sliding_window is not None and self.max_length > sliding_window else None
        if window not in self._masks:
            self._masks[window] = self._make_mask(window, dtype)
        return self._masks[window]

    def _make_mask(self, window: int | None, dtype: torch.dtype) -> torch.Tensor | None:
        if self.end - self.start == 1 and window is None:
            return None
        positions = torch.arange(self.max_length, device=self.lengths.device)
        lengths = self.lengths[:, None]
        hidden = positions >= lengths
        if window is not None:
            hidden |= positions < lengths - window
        return additive(hidden, dtype)[:, None, None]


@dataclass(frozen=True, slots=True)
class PagedRows:
    """All sequences of a step, for compiled code that reads the KV cache's blocks in place.

    Attributes:
        ends: Behind which place of the packed row each one's tokens end, int32 [N].
        lengths: Tokens of each sequence with the row's, int32 [N].
        max_length: The longest of them.
        block_table: Block ids, int32 [N, columns]; what stands behind a sequence's own is not used.
    """

    ends: torch.Tensor
    lengths: torch.Tensor
    max_length: int
    block_table: torch.Tensor


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Everything that attention needs to know of a step.

    Attributes:
        kv_cache: One tensor for each layer, [blocks, BLOCK_SIZE, 2 * KV heads, head size]: keys' heads, then values'.
        slot_mapping: Where each token's keys and values go, block * BLOCK_SIZE + offset, int64 [T].
        decode_groups: The sequences that decode; none where `paged_decode` has them.
        prefill_chunks: The sequences that prefill; none where `packed_prefill` has them.
        paged_decode: The sequences that decode, with `--accelerate attention`; None without.
        packed_prefill: The sequences that prefill, with `--accelerate varlen` or `flex`; None without.
        paged_rows: All sequences, for `NativeDecoder`, and then none of the four before; None for another forward.
    """

    kv_cache: list[torch.Tensor]
    slot_mapping: torch.Tensor
    decode_groups: list[DecodeGroup]
    prefill_chunks: list[PrefillChunk]
    paged_decode: PagedDecode | None = None
    packed_prefill: PackedPrefill | None = None
    paged_rows: PagedRows | None = None
