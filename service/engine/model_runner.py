"""The device: weights, KV cache, and one packed forward for each step."""

import itertools
import logging
from collections.abc import Callable, Set
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from service.engine.acceleration import Acceleration
from service.engine.attention import ATTENTION_NAME, DecodeGroup, PackedBatch, PrefillChunk
from service.engine.block_pool import BLOCK_SIZE, num_blocks_for
from service.engine.fused_decoder import is_plain_linear
from service.engine.fused_forward import fused_forward
from service.engine.kv_cache import KVShape, make_kv_cache
from service.engine.paged_decode import DecodeAttention, PagedDecode, decode_attention_for
from service.engine.sampling import SampledToken, SamplingError, SamplingRow, sample
from service.engine.scheduler import ScheduledSequence
from service.engine.sequence import Sequence

_Forward = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, PackedBatch], torch.Tensor]
"""Token ids [1, T], positions [1, T], places of logits [N] and the batch, to logits [N, vocabulary]."""

_log = logging.getLogger(__name__)

_SAMPLING_FAILED = (
    "The engine could not choose the next token of this request. The same request may make it fail again."
)

_BLOCKS_TOGETHER = 4
"""What a group of decoding sequences gathers is a multiple of this many blocks."""


StepScope = Callable[[list[ScheduledSequence]], AbstractContextManager[None]]
"""Makes what a step is computed within."""


class ModelRunner:
    """Runs the model over the scheduled sequences' tokens and draws the next ones.

    Args:
        model: A causal language model whose class lets its attention be replaced.
        shapes: What each of its layers keeps in the KV cache.
        num_blocks: How many blocks the KV cache has for sequences. One more, the last, belongs to nobody, so that the
            padding of a batch has a place to write to; nothing reads it.
        accelerations: The ways to be faster that are used.
        decode_attention: How decoding sequences attend with `Acceleration.ATTENTION`; None for the device's own way.

    Attributes:
        step_scope: What each step is computed within; where several devices share the model, the others compute along.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        shapes: list[KVShape],
        num_blocks: int,
        accelerations: Set[Acceleration] = frozenset(),
        decode_attention: DecodeAttention | None = None,
    ) -> None:
        model.set_attn_implementation(ATTENTION_NAME)
        self._device = model.device
        self._kv_cache = make_kv_cache(shapes, num_blocks + 1, model.dtype, model.device)
        self._decode_attention: DecodeAttention | None = None
        if Acceleration.ATTENTION in accelerations:
            self._decode_attention = decode_attention or decode_attention_for(model.device)
        max_num_tokens = model.config.get_text_config().max_position_embeddings
        self._num_columns = min(num_blocks_for(max_num_tokens), num_blocks)
        self.step_scope: StepScope = lambda packed: nullcontext()
        self._cut_sequences: list[Sequence] = []
        self._cuts: list[int] = []
        self._gathered: dict[tuple[int | Sequence, ...], dict[int, torch.Tensor]] = {}
        self._forward: _Forward = fused_forward(model, accelerations) or _class_forward(model)

    @torch.inference_mode()
    def run(self, scheduled: list[ScheduledSequence]) -> list[SampledToken | SamplingError | None]:
        """Computes the scheduled tokens.

        Returns:
            For each sequence the next token, or why it has none, or None where a prefill has more chunks to come.
        """
        order = sorted(range(len(scheduled)), key=lambda place: _packing_key(scheduled[place]))
        packed = [scheduled[place] for place in order]
        drawing = [place for place, item in zip(order, packed, strict=True) if item.is_last_chunk]
        next_tokens: list[SampledToken | SamplingError | None] = [None] * len(scheduled)
        logits = self.logits(packed)
        if drawing:
            drawn = _sample(logits, [scheduled[place].sequence for place in drawing])
            for place, token in zip(drawing, drawn, strict=True):
                next_tokens[place] = token
        return next_tokens

    def forget(self) -> None:
        """Drops what is kept between steps, after one that failed."""
        self._cut_sequences, self._cuts, self._gathered = [], [], {}

    @torch.inference_mode()
    def logits(self, packed: list[ScheduledSequence]) -> torch.Tensor:
        """The logits after each sequence whose last chunk this is, [sequences, vocabulary].

        Args:
            packed: The sequences in packing order: first those that decode, shortest first.
        """
        with self.step_scope(packed):
            return self._logits(packed)

    def _logits(self, packed: list[ScheduledSequence]) -> torch.Tensor:
        token_ids: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        last: list[int] = []
        for item in packed:
            sequence, start = item.sequence, item.sequence.num_computed_tokens
            end = start + item.num_tokens
            token_ids += sequence.token_ids[start:end]
            positions += range(start, end)
            slots += [
                sequence.block_table[position // BLOCK_SIZE] * BLOCK_SIZE + position % BLOCK_SIZE
                for position in range(start, end)
            ]
            if item.is_last_chunk:
                last.append(len(token_ids) - 1)
        num_decoding = sum(map(_is_decoding, packed))
        decoding = packed[:num_decoding]
        is_paged = self._decode_attention is not None
        if not is_paged:
            self._clear([block for item in packed if (block := _partly_filled_block(item)) is not None])
        batch = PackedBatch(
            kv_cache=self._kv_cache,
            slots=self._tensor(slots),
            decode_groups=[] if is_paged else self._decode_groups(decoding),
            prefill_chunks=self._prefill_chunks(packed[num_decoding:], num_decoding),
            paged_decode=self._paged_decode(decoding) if is_paged and decoding else None,
        )
        logits = self._forward(self._tensor(token_ids)[None], self._tensor(positions)[None], self._tensor(last), batch)
        self._keep_gathered(packed, batch.decode_groups)
        return logits

    def _clear(self, blocks: list[int]) -> None:
        """Writes zeros over blocks. A mask hides what another sequence has left in them, but does not stop NaN.

        `PagedDecode` and prefilling read only what a sequence has itself.
        """
        if blocks:
            indices = self._tensor(blocks)
            for cache in self._kv_cache:
                cache.index_fill_(0, indices, 0)

    def _paged_decode(self, packed: list[ScheduledSequence]) -> PagedDecode:
        assert self._decode_attention is not None
        block_table = np.zeros((len(packed), self._num_columns), np.int32)
        for row, item in zip(block_table, packed, strict=True):
            row[: len(item.sequence.block_table)] = item.sequence.block_table
        lengths = torch.tensor([item.sequence.num_tokens for item in packed], dtype=torch.int32, device=self._device)
        return PagedDecode(self._decode_attention, torch.from_numpy(block_table).to(self._device), lengths)

    def _decode_groups(self, packed: list[ScheduledSequence]) -> list[DecodeGroup]:
        """Cuts the decoding sequences where one has over twice the blocks of its group's shortest.

        While the same sequences decode, the cuts stay: all grow alike, and groups that stay keep what they gathered.
        """
        sequences = [item.sequence for item in packed]
        if sequences != self._cut_sequences:
            self._cut_sequences, self._cuts = sequences, _cut([len(s.block_table) for s in sequences])
        return [self._decode_group(packed[start:end], start) for start, end in itertools.pairwise(self._cuts)]

    def _decode_group(self, packed: list[ScheduledSequence], start: int) -> DecodeGroup:
        lengths = [item.sequence.num_tokens for item in packed]
        # Room for some tokens more, so that the group can keep what it gathers over their steps.
        num_blocks = -(-num_blocks_for(max(lengths)) // _BLOCKS_TOGETHER) * _BLOCKS_TOGETHER
        tables = [item.sequence.block_table[: num_blocks_for(item.sequence.num_tokens)] for item in packed]
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
            num_computed = item.sequence.num_computed_tokens
            table = self._tensor(item.sequence.block_table[: num_blocks_for(num_computed + item.num_tokens)])
            chunks.append(PrefillChunk(start, start + item.num_tokens, num_computed, table))
            start += item.num_tokens
        return chunks

    def _tensor(self, numbers: list[int] | list[list[int]]) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.int64, device=self._device)


def _cut(block_counts: list[int]) -> list[int]:
    """Where groups begin and end, for ascending counts; the first is 0 and the last is how many counts there are."""
    cuts = [0]
    for place, count in enumerate(block_counts):
        if count > 2 * block_counts[cuts[-1]]:
            cuts.append(place)
    return [*cuts, len(block_counts)] if block_counts else []


def _is_decoding(item: ScheduledSequence) -> bool:
    return item.num_tokens == 1 and item.is_last_chunk


def _partly_filled_block(item: ScheduledSequence) -> int | None:
    """The block that a step is the first to write to and does not fill."""
    sequence, end = item.sequence, item.sequence.num_computed_tokens + item.num_tokens
    first = end // BLOCK_SIZE * BLOCK_SIZE
    return sequence.block_table[end // BLOCK_SIZE] if sequence.num_computed_tokens <= first < end else None


def is_out_of_memory(error: Exception) -> bool:
    """Whether there was not enough memory, for which torch has an error of its own on CUDA only."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    texts = ("out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in texts)


def _sample(logits: torch.Tensor, sequences: list[Sequence]) -> list[SampledToken | SamplingError]:
    """Draws for all sequences together; if that raises, for each by itself, so that only the one at fault fails."""
    try:
        return sample(logits, [_sampling_row(sequence) for sequence in sequences])
    except SamplingError as error:
        if len(sequences) == 1:
            return [error]
    except Exception as error:
        if is_out_of_memory(error) or isinstance(error, torch.AcceleratorError):
            raise
        _log.exception("sampling failed for %s", ", ".join(sequence.id for sequence in sequences))
        if len(sequences) == 1:
            return [SamplingError(_SAMPLING_FAILED)]
    return [_sample(logits[place : place + 1], [sequence])[0] for place, sequence in enumerate(sequences)]


def _sampling_row(sequence: Sequence) -> SamplingRow:
    # A grammar computes its bitmask here, while a GPU still computes the logits.
    allowed = None if sequence.grammar is None else sequence.grammar.allowed(sequence.params.eos_token_ids)
    return SamplingRow(sequence.params, sequence.num_completion_tokens, sequence.token_counts, allowed)


def _packing_key(item: ScheduledSequence) -> tuple[bool, int]:
    return (not _is_decoding(item), item.sequence.num_tokens if _is_decoding(item) else 0)


def _class_forward(model: PreTrainedModel) -> _Forward:
    """The forward of the model's own class."""
    if model.device.type == "cpu":
        _lay_out_for_cpu(model)

    def forward(ids: torch.Tensor, positions: torch.Tensor, last: torch.Tensor, batch: PackedBatch) -> torch.Tensor:
        output = model(input_ids=ids, position_ids=positions, use_cache=False, logits_to_keep=last, batch=batch)
        logits: torch.Tensor = output.logits[0]
        return logits

    return forward


def _lay_out_for_cpu(model: PreTrainedModel) -> None:
    """Stores weight matrices column-major, which the CPU's matrix product reads faster at few rows (measured).

    One that several modules share, as tied embeddings do, stays shared.
    """
    holders: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        if isinstance(module.weight if hasattr(module, "weight") else None, nn.Parameter):
            holders.setdefault(id(module.weight), []).append(module)
    for modules in holders.values():
        if any(map(is_plain_linear, modules)):
            by_columns = modules[0].weight.detach().t().contiguous().t()  # type: ignore[operator]  # a Parameter
            weight = nn.Parameter(by_columns, requires_grad=False)
            for module in modules:
                module.weight = weight
