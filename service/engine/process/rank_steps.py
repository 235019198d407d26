"""Messages in which rank 0 of a tensor-parallel model tells the others what a step computes."""

import itertools
from dataclasses import dataclass

from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence
from service.engine_protocol.sampling_params import SamplingParams


@dataclass(frozen=True, slots=True)
class StepItem:
    """To the other ranks, in each step: a sequence, and which of its tokens are computed.

    Attributes:
        number: Stands for the sequence as long as no step is without it.
        start: How many of its tokens have been computed.
        token_ids: Those that are computed now.
        num_tokens: How many it has.
        block_table: Its blocks.
        num_prompt_logits: See `ScheduledSequence`.
        adapter: Its LoRA adapter's number; None for none.
        position_offset: See `Sequence`.
    """

    number: int
    start: int
    token_ids: list[int]
    num_tokens: int
    block_table: list[int]
    num_prompt_logits: int
    adapter: int | None = None
    position_offset: int = 0


class StepWriter:
    """Tells steps to the other ranks."""

    def __init__(self) -> None:
        self._numbers: dict[Sequence, int] = {}
        self._unused = itertools.count()

    def write(self, packed: list[ScheduledSequence]) -> list[StepItem]:
        """The items of which `StepReader.read` makes the step."""
        known = self._numbers
        self._numbers = {
            item.sequence: known[item.sequence] if item.sequence in known else next(self._unused) for item in packed
        }
        return [self._item(item) for item in packed]

    def _item(self, item: ScheduledSequence) -> StepItem:
        sequence = item.sequence
        token_ids = sequence.token_ids[item.start : item.end]
        number, num_tokens = self._numbers[sequence], sequence.num_tokens
        told = item.num_prompt_logits, sequence.adapter, sequence.position_offset
        return StepItem(number, item.start, token_ids, num_tokens, sequence.block_table, *told)


class StepReader:
    """Makes steps of what rank 0 tells, with sequences that stand for rank 0's while they are in every step."""

    def __init__(self) -> None:
        self._sequences: dict[int, Sequence] = {}

    def read(self, items: list[StepItem]) -> list[ScheduledSequence]:
        """The step as rank 0 packed it."""
        known = self._sequences
        self._sequences = {item.number: known.get(item.number) or _empty_sequence() for item in items}
        return [_scheduled(self._sequences[item.number], item) for item in items]


def _empty_sequence() -> Sequence:
    return Sequence("", [], 0, SamplingParams(1))


def _scheduled(sequence: Sequence, item: StepItem) -> ScheduledSequence:
    # Tokens before and behind those that are computed count, but are not read.
    sequence.token_ids += [0] * (item.num_tokens - sequence.num_tokens)
    sequence.token_ids[item.start : item.start + len(item.token_ids)] = item.token_ids
    sequence.num_computed_tokens, sequence.block_table = item.start, item.block_table
    sequence.adapter, sequence.position_offset = item.adapter, item.position_offset
    scheduled = ScheduledSequence(sequence, len(item.token_ids))
    scheduled.num_prompt_logits = item.num_prompt_logits
    return scheduled
