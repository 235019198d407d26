"""From scheduled sequences to the tensors of a step: one packed row of tokens, and where attention finds each sequence.

Nothing here waits for the device, and nothing that it returns changes when sequences do.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import torch

from service.engine.attention.batch import DecodeGroup, PackedBatch, PagedRows
from service.engine.attention.packed_prefill import PackedPrefill, PrefillAttention
from service.engine.attention.paged_decode import DecodeAttention, PagedDecode
from service.engine.attention.prefill import PrefillChunk
from service.engine.device import tensor_to_device, to_device
from service.engine.lora.attach import LoadedAdapters
from service.engine.lora.rows import AdapterRows, adapter_rows
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence
from service.engine_protocol.engine_config import BLOCK_SIZE, num_blocks_for

_BLOCKS_TOGETHER = 4
"""A group of decoding sequences gathers a multiple of this many blocks."""


@dataclass(frozen=True, slots=True)
class StepInputs:
    """The tensors of a step.

    Attributes:
        token_ids: int64 [T], 0 for tokens that the step before samples.
        positions: Each token's place in its sequence, plus what that adds (`LONG_POSITIONS`), int64 [T].
        last: Places in the row whose logits are wanted: first those where tokens are sampled, behind a draft several of
            a sequence, then prompts', int64 [N].
        batch: The step's sequences.
        sampled_before: The places of tokens that the step before samples, and in which of its rows, int64 [2, n]; None
            if there are none.
        cleared_blocks: Blocks to be filled with 0 first, int64 [n]; None if there are none.
        adapter_rows: Which tokens use which LoRA adapter; None if none does.
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    last: torch.Tensor
    batch: PackedBatch
    sampled_before: torch.Tensor | None
    cleared_blocks: torch.Tensor | None
    adapter_rows: AdapterRows | None = None


class Packer:
    """Makes the tensors of steps.

    Args:
        kv_cache: One tensor for each layer, [blocks, BLOCK_SIZE, 2 * KV heads, head size].
        device: Where it is.
        decode_attention: How decoding sequences attend straight from the cache's blocks; None to gather these first.
        num_columns: How many blocks the longest sequence has.
        adapters: The model's, if it has any.
        reads_blocks: Whether the forward takes `PagedRows`, of steps without adapters.
        prefill_attention: How all sequences that prefill attend in one call; None for a call for each.
    """

    def __init__(
        self,
        kv_cache: list[torch.Tensor],
        device: torch.device,
        decode_attention: DecodeAttention | None,
        num_columns: int,
        adapters: LoadedAdapters | None = None,
        reads_blocks: bool = False,
        prefill_attention: PrefillAttention | None = None,
    ) -> None:
        self._kv_cache = kv_cache
        self._device = device
        self._decode_attention = decode_attention
        self._num_columns = num_columns
        self._adapters = adapters
        self._reads_blocks = reads_blocks
        self._prefill_attention = prefill_attention
        self.forget()

    def forget(self) -> None:
        """Drops what is kept between steps, after one that failed."""
        self._grouped_sequences: list[Sequence] = []
        self._group_bounds: list[int] = []
        self._gathered: dict[tuple[int | Sequence, ...], dict[int, torch.Tensor]] = {}

    def pack(self, packed: list[ScheduledSequence], rows_before: dict[Sequence, int]) -> StepInputs:
        """The tensors of a step.

        Args:
            packed: The sequences in packing order.
            rows_before: Which row of what the step before samples is a sequence's next token.
        """
        token_ids: list[int] = []
        sampled: list[tuple[int, int]] = []
        ends = list(itertools.accumulate(item.num_tokens for item in packed))
        for item, end in zip(packed, ends, strict=True):
            token_ids += item.token_ids(item.start, item.end)
            if len(token_ids) < end:
                sampled.append((end - 1, rows_before[item.sequence]))
                token_ids.append(0)
        adapter_rows = None if self._adapters is None else self._adapter_rows(packed, self._adapters)
        batch = self._batch(packed, ends, self._reads_blocks and adapter_rows is None)
        self._keep_gathered(packed, batch.decode_groups)
        last = [place for item, end in zip(packed, ends, strict=True) for place in range(end - item.num_sampled, end)]
        for item, end in zip(packed, ends, strict=True):
            if item.num_prompt_logits:
                start = end - item.num_tokens
                last += range(start, start + item.num_prompt_logits)
        return StepInputs(
            token_ids=self._tensor(token_ids),
            positions=self._tensor([position for item in packed for position in _positions(item)]),
            last=self._tensor(last),
            batch=batch,
            sampled_before=self._tensor(list(zip(*sampled, strict=True))) if sampled else None,
            cleared_blocks=self._cleared_blocks(packed),
            adapter_rows=adapter_rows,
        )

    def _batch(self, packed: list[ScheduledSequence], ends: list[int], reads_blocks: bool) -> PackedBatch:
        slots = self._tensor([slot for item in packed for slot in _slot_mapping(item)])
        if reads_blocks:
            return PackedBatch(self._kv_cache, slots, [], [], paged_rows=self._paged_rows(packed, ends))
        num_decoding = sum(map(_is_decoding, packed))
        decoding = packed[:num_decoding]
        chunks = self._prefill_chunks(packed[num_decoding:], num_decoding)
        is_paged, prefilling = self._decode_attention is not None, self._prefill_attention
        return PackedBatch(
            kv_cache=self._kv_cache,
            slot_mapping=slots,
            decode_groups=[] if is_paged else self._decode_groups(decoding),
            prefill_chunks=[] if prefilling else chunks,
            paged_decode=self._paged_decode(decoding) if is_paged and decoding else None,
            packed_prefill=PackedPrefill(prefilling, chunks) if prefilling and chunks else None,
        )

    def _cleared_blocks(self, packed: list[ScheduledSequence]) -> torch.Tensor | None:
        """Those that this step is the first to write to. A mask hides what another sequence left there, but not NaN.

        `PagedDecode`, `PagedRows` and prefilling read only what a sequence has itself.
        """
        if self._decode_attention is not None or (self._reads_blocks and self._adapters is None):
            return None
        blocks = [block for item in packed if (block := _partly_filled_block(item)) is not None]
        return self._tensor(blocks) if blocks else None

    def _paged_rows(self, packed: list[ScheduledSequence], ends: list[int]) -> PagedRows:
        lengths = [item.end for item in packed]
        max_length = max(lengths)
        table = np.zeros((len(packed), num_blocks_for(max_length)), np.int32)
        for row, item in zip(table, packed, strict=True):
            blocks = item.sequence.block_table[: len(row)]
            row[: len(blocks)] = blocks
        bounds = to_device([ends, lengths], self._device, torch.int32)
        return PagedRows(bounds[0], bounds[1], max_length, torch.from_numpy(table))

    def _adapter_rows(self, packed: list[ScheduledSequence], adapters: LoadedAdapters) -> AdapterRows | None:
        sequences = ((item.sequence.adapter, item.num_tokens) for item in packed)
        return adapter_rows(sequences, self._device, adapters.has_kernel)

    def _paged_decode(self, packed: list[ScheduledSequence]) -> PagedDecode:
        assert self._decode_attention is not None
        table = np.zeros((len(packed), self._num_columns), np.int32)
        for row, item in zip(table, packed, strict=True):
            row[: len(item.sequence.block_table)] = item.sequence.block_table
        lengths = to_device([item.end for item in packed], self._device, torch.int32)
        block_table = tensor_to_device(torch.from_numpy(table), self._device)
        return PagedDecode(self._decode_attention, block_table, lengths)

    def _decode_groups(self, packed: list[ScheduledSequence]) -> list[DecodeGroup]:
        """Splits the decoding sequences where one has over twice the blocks of its group's shortest.

        While the same sequences decode, the groups stay: all grow alike, and a group that stays keeps what it gathered.
        """
        sequences = [item.sequence for item in packed]
        if sequences != self._grouped_sequences:
            self._grouped_sequences = sequences
            self._group_bounds = _bounds_of_groups([len(s.block_table) for s in sequences])
        return [self._decode_group(packed[start:end], start) for start, end in itertools.pairwise(self._group_bounds)]

    def _decode_group(self, packed: list[ScheduledSequence], start: int) -> DecodeGroup:
        lengths = [item.end for item in packed]
        # Room for some tokens more, so that the group can keep what it gathers over their steps.
        num_blocks = -(-num_blocks_for(max(lengths)) // _BLOCKS_TOGETHER) * _BLOCKS_TOGETHER
        tables = [item.sequence.block_table[: num_blocks_for(item.end)] for item in packed]
        # Padding is masked too, and only a sequence's own blocks can't bring another's NaN.
        padded = [table + table[-1:] * (num_blocks - len(table)) for table in tables]
        return DecodeGroup(
            start=start,
            end=start + len(packed),
            block_table=self._tensor(padded),
            lengths=self._tensor(lengths),
            max_length=max(lengths),
            gathered=self._gathered.get((num_blocks, *(item.sequence for item in packed)), {}),
            gathered_slots=self._tensor([num_blocks * BLOCK_SIZE * row + n - 1 for row, n in enumerate(lengths)]),
        )

    def _keep_gathered(self, packed: list[ScheduledSequence], groups: list[DecodeGroup]) -> None:
        """Keeps what this step gathered for the next step only, in which the same sequences have one token more."""
        self._gathered = {
            (group.block_table.shape[1], *(item.sequence for item in packed[group.start : group.end])): group.gathered
            for group in groups
        }

    def _prefill_chunks(self, packed: list[ScheduledSequence], start: int) -> list[PrefillChunk]:
        chunks: list[PrefillChunk] = []
        for item in packed:
            table = self._tensor(item.sequence.block_table[: num_blocks_for(item.end)])
            chunks.append(PrefillChunk(start, start + item.num_tokens, item.start, table))
            start += item.num_tokens
        return chunks

    def _tensor(self, numbers: list[int] | list[list[int]] | list[tuple[int, ...]]) -> torch.Tensor:
        return to_device(numbers, self._device)


def packing_key(item: ScheduledSequence) -> tuple[bool, int]:
    """Sorts a step's sequences into packing order: first those that decode, shortest first."""
    return (not _is_decoding(item), item.end if _is_decoding(item) else 0)


def _bounds_of_groups(block_counts: list[int]) -> list[int]:
    """The bounds of groups, for ascending counts; the first is 0 and the last is the number of counts."""
    bounds = [0]
    for place, count in enumerate(block_counts):
        if count > 2 * block_counts[bounds[-1]]:
            bounds.append(place)
    return [*bounds, len(block_counts)] if block_counts else []


def _is_decoding(item: ScheduledSequence) -> bool:
    return item.num_tokens == 1 and item.is_last_chunk


def _partly_filled_block(item: ScheduledSequence) -> int | None:
    """The block that a step is the first to write to and does not fill."""
    first = item.end // BLOCK_SIZE * BLOCK_SIZE
    return item.sequence.block_table[item.end // BLOCK_SIZE] if item.start <= first < item.end else None


def _positions(item: ScheduledSequence) -> range:
    offset = item.sequence.position_offset
    return range(offset + item.start, offset + item.end)


def _slot_mapping(item: ScheduledSequence) -> list[int]:
    """The slots to which the keys and values of a step's tokens go."""
    table = item.sequence.block_table
    return [
        table[position // BLOCK_SIZE] * BLOCK_SIZE + position % BLOCK_SIZE for position in range(item.start, item.end)
    ]
