"""Which sequences run in the next step, and how many of their tokens.

Running sequences come first, oldest first, so that every one of them that decodes gets its token in every step; what
is left of the token budget prefills, a long prompt in chunks. A sequence is admitted when there are blocks for all its
tokens so far. When a running one needs a block and none is free, the newest one is preempted: it loses its blocks, goes
back to the front of the waiting ones and prefills again, prompt and completion, when there is room.
"""

from collections import deque
from dataclasses import dataclass

from service.engine.block_pool import BlockPool, num_blocks_for
from service.engine.sequence import Sequence, SequenceStatus


@dataclass(frozen=True, slots=True)
class ScheduledSequence:
    """A sequence and how many of its uncomputed tokens the step computes, at least 1."""

    sequence: Sequence
    num_tokens: int

    @property
    def is_last_chunk(self) -> bool:
        """Whether the step computes all that there is to compute, so that the next token can be drawn."""
        return self.num_tokens == self.sequence.num_uncomputed_tokens


class Scheduler:
    """First come, first served, within a budget of sequences, tokens and blocks.

    Args:
        block_pool: The blocks of the KV cache.
        max_num_seqs: The most sequences that run at once.
        max_num_batched_tokens: The most tokens of one step, at least `max_num_seqs`.
    """

    def __init__(self, block_pool: BlockPool, max_num_seqs: int, max_num_batched_tokens: int) -> None:
        if max_num_batched_tokens < max_num_seqs:
            raise ValueError(
                f"max_num_batched_tokens ({max_num_batched_tokens}) must be at least max_num_seqs ({max_num_seqs}), "
                "or not every running sequence gets a token in every step"
            )
        self.block_pool = block_pool
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._max_num_seqs = max_num_seqs
        self._max_num_batched_tokens = max_num_batched_tokens

    @property
    def has_work(self) -> bool:
        """Whether any sequence is waiting or running."""
        return bool(self.waiting or self.running)

    def add(self, sequence: Sequence) -> None:
        """Puts a sequence behind the waiting ones. Its prompt and max_tokens must fit the whole pool."""
        self.waiting.append(sequence)

    def schedule(self) -> list[ScheduledSequence]:
        """Chooses the next step's sequences; empty only if there is no work."""
        budget = self._max_num_batched_tokens
        scheduled: list[ScheduledSequence] = []
        for sequence in list(self.running):
            if budget == 0:
                break
            if sequence.status is SequenceStatus.RUNNING and self._reserve(sequence):
                scheduled.append(ScheduledSequence(sequence, min(sequence.num_uncomputed_tokens, budget)))
                budget -= scheduled[-1].num_tokens
        while budget and self._can_admit():
            sequence = self._admit()
            scheduled.append(ScheduledSequence(sequence, min(sequence.num_uncomputed_tokens, budget)))
            budget -= scheduled[-1].num_tokens
        return scheduled

    def finish(self, sequence: Sequence) -> None:
        """Ends a sequence, however far it has come, and frees its blocks."""
        if sequence.status is SequenceStatus.WAITING:
            self.waiting.remove(sequence)
        elif sequence.status is SequenceStatus.RUNNING:
            self.running.remove(sequence)
        self._free(sequence)
        sequence.status = SequenceStatus.FINISHED

    def preempt_all(self) -> None:
        """Sends every running sequence back to wait, in order; the KV cache's content is lost to them."""
        while self.running:
            self._preempt(self.running[-1])

    def _reserve(self, sequence: Sequence) -> bool:
        """Gives a running sequence the blocks its tokens need, preempting newer ones; False if it was preempted."""
        missing = num_blocks_for(sequence.num_tokens) - len(sequence.block_table)
        while missing > self.block_pool.num_free:
            newest = self.running[-1]
            self._preempt(newest)
            if newest is sequence:
                return False
        sequence.block_table += self.block_pool.take(missing)
        return True

    def _can_admit(self) -> bool:
        if not self.waiting or len(self.running) >= self._max_num_seqs:
            return False
        return num_blocks_for(self.waiting[0].num_tokens) <= self.block_pool.num_free

    def _admit(self) -> Sequence:
        sequence = self.waiting.popleft()
        sequence.block_table = self.block_pool.take(num_blocks_for(sequence.num_tokens))
        sequence.status = SequenceStatus.RUNNING
        self.running.append(sequence)
        return sequence

    def _preempt(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self._free(sequence)
        sequence.status = SequenceStatus.WAITING
        self.waiting.appendleft(sequence)

    def _free(self, sequence: Sequence) -> None:
        self.block_pool.give_back(sequence.block_table)
        sequence.block_table = []
        sequence.num_computed_tokens = 0
