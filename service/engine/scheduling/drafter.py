"""Gives the decoding sequences of a step drafts, with what its other tokens leave of its budget and of the blocks."""

from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence
from service.engine.speculation.draft_lengths import draft_lengths
from service.engine.speculation.prompt_lookup import PromptLookup
from service.engine_protocol.engine_config import BLOCK_SIZE, num_blocks_for


class Drafter:
    """Drafts by prompt lookup.

    Args:
        row_cost: See `draft_lengths`.
        rope_switch: See `Sequence.outgrows`; no draft reaches over it.
    """

    def __init__(self, row_cost: float, rope_switch: int = 0) -> None:
        self._row_cost, self._rope_switch = row_cost, rope_switch

    def add_drafts(self, scheduled: list[ScheduledSequence], pool: BlockPool, budget: int) -> None:
        """Adds drafts to a step, and gives their sequences the blocks for them.

        Steps with LoRA adapters get none: they are computed otherwise, and chunks of theirs in another order of sums.

        Args:
            scheduled: The step.
            pool: The blocks, of which only free ones are taken.
            budget: How many tokens more it may compute.
        """
        if any(item.sequence.adapter is not None for item in scheduled):
            return
        lookups = [_caught_up(item) for item in scheduled]
        rates = [0.0 if lookup is None else lookup.acceptance_rate for lookup in lookups]
        if not any(rates):
            return
        room = [self._room(item) if rate else 0 for item, rate in zip(scheduled, rates, strict=True)]
        num_rows = sum(item.num_tokens for item in scheduled)
        lengths = draft_lengths(rates, num_rows, self._row_cost, room)
        for item, lookup, length in zip(scheduled, lookups, lengths, strict=True):
            length = min(length, budget, _room_in_blocks(item, pool))
            if lookup is not None and length > 0 and (draft := _possible(item.sequence, lookup.predict(length))):
                item.add_draft(draft)
                budget -= len(draft)
                item.sequence.block_table += pool.allocate(_num_missing_blocks(item))

    def _room(self, item: ScheduledSequence) -> int:
        """How many tokens can be drafted: the step samples one more, and all keep the factors that turn their keys."""
        sequence = item.sequence
        room = sequence.params.max_tokens - sequence.next_index - 1
        if self._rope_switch and not sequence.position_offset:
            room = min(room, self._rope_switch - item.end)
        return max(0, room)


def _caught_up(item: ScheduledSequence) -> PromptLookup | None:
    """What predicts a sequence's next tokens, if it decodes."""
    if item.num_tokens > 1 or not item.is_last_chunk:
        return None
    sequence = item.sequence
    if sequence.lookup is None:
        sequence.lookup = PromptLookup(sequence.token_ids, sequence.num_prompt_tokens)
    sequence.lookup.catch_up()
    return sequence.lookup


def _possible(sequence: Sequence, draft: list[int]) -> list[int]:
    """What can be sampled of a draft without ending the completion."""
    ends = (place for place, token_id in enumerate(draft) if sequence.params.ends_with(token_id))
    draft = draft[: next(ends, None)]
    return draft if sequence.grammar is None else draft[: sequence.grammar.num_accepted(draft)]


def _room_in_blocks(item: ScheduledSequence, pool: BlockPool) -> int:
    num_blocks = len(item.sequence.block_table) + pool.num_free
    return num_blocks * BLOCK_SIZE - item.end


def _num_missing_blocks(item: ScheduledSequence) -> int:
    return max(0, num_blocks_for(item.end) - len(item.sequence.block_table))
