"""Chooses the sequences of the next step, and how many of their tokens it computes.

A step has a budget of tokens. Every running sequence that decodes gets one of them, in every step; what is left
prefills, a long prompt in chunks. A sequence is admitted when there are blocks for all its tokens so far. The prefix
cache gives it the blocks of the longest beginning that it knows, and only the rest is computed.

Accounts are admitted in turn: the next is one that has the fewest running sequences. One that has none takes the place
of the newest of the account that has most. The sequences of one account run first come, first served.

When a running sequence needs a block and none is free, the newest one is preempted. It gives back its blocks, waits in
front and is admitted again when there is room. What it had computed is cached. It goes on where it was, unless its
blocks were taken for something else meanwhile.

Sequences of PRIORITY_BATCH give way. They are admitted only while no online one waits, and prefill with what online
ones leave. They are preempted first, also to let an online one in.

A step may be scheduled while the one before it is in flight. Then a sequence has a token whose value nobody knows here,
and nobody is preempted. Blocks can be given back at any time, also those of a step in flight. The device runs steps in
order, so whoever takes a block next writes to it in a later step.
"""

import bisect
from operator import attrgetter

from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.drafter import Drafter
from service.engine.scheduling.fair_queue import FairQueue, newest_beyond_one
from service.engine.scheduling.scheduled import ScheduledSequence, Step
from service.engine.scheduling.sequence import LONG_POSITIONS, Sequence, SequenceStatus
from service.engine_protocol.engine_config import BLOCK_SIZE, num_blocks_for
from service.engine_protocol.sampling_params import Priority
from service.engine_protocol.speculative import SpecDecode


class Scheduler:
    """Admits the accounts of a priority in turn, within a budget of sequences, tokens and blocks.

    Args:
        block_pool: The blocks of the KV cache.
        max_num_seqs: The most sequences that run at once.
        max_num_batched_tokens: The most tokens of one step, at least `max_num_seqs`.
        rope_switch: See `Sequence.outgrows`.
        drafter: Adds drafts to steps that are not scheduled ahead; None for no drafts.

    Attributes:
        block_pool: As given.
        waiting: The sequences of each priority that wait.
        running: The sequences that run: online ones before those of PRIORITY_BATCH, each kind oldest first.
        num_preemptions: How many times a sequence was preempted.
        spec_decode: What has come of the drafts.
    """

    def __init__(
        self,
        block_pool: BlockPool,
        max_num_seqs: int,
        max_num_batched_tokens: int,
        rope_switch: int = 0,
        drafter: Drafter | None = None,
    ) -> None:
        if max_num_batched_tokens < max_num_seqs:
            raise ValueError(
                f"max_num_batched_tokens ({max_num_batched_tokens}) must be at least max_num_seqs ({max_num_seqs}), "
                "or not every running sequence gets a token in every step"
            )
        self.block_pool, self.num_preemptions = block_pool, 0
        self.waiting = {priority: FairQueue() for priority in Priority}
        self.running: list[Sequence] = []
        self._max_num_seqs, self._max_num_batched_tokens = max_num_seqs, max_num_batched_tokens
        self._rope_switch, self._drafter = rope_switch, drafter
        self.spec_decode = SpecDecode()

    @property
    def num_waiting(self) -> int:
        """The number of sequences that wait."""
        return sum(map(len, self.waiting.values()))

    @property
    def has_work(self) -> bool:
        """Tells if any sequence is waiting or running."""
        return bool(self.running or self.num_waiting)

    def add(self, sequence: Sequence) -> None:
        """Puts a sequence behind the waiting ones of its account. Its prompt and max_tokens must fit the whole pool."""
        self.waiting[sequence.priority].append(sequence)

    def schedule(self, is_ahead: bool = False) -> list[ScheduledSequence]:
        """Chooses the next step's sequences.

        Args:
            is_ahead: Whether the step before it is still in flight.

        Returns:
            Empty only if there is no work, or none before the step in flight is retired.
        """
        if is_ahead and not self._can_go_ahead():
            return []
        step = Step(self._max_num_batched_tokens)
        prefilling: list[Sequence] = []
        for sequence in list(self.running):
            if sequence.has_all_tokens:
                continue
            if sequence.outgrows(self._rope_switch) and sequence.status is SequenceStatus.RUNNING:
                self._preempt(sequence)  # all its keys are to be turned otherwise
            elif not sequence.is_decoding:
                prefilling.append(sequence)
            elif sequence.status is SequenceStatus.RUNNING and self._reserve(sequence):
                step.add(sequence)
        for priority in Priority:
            for sequence in prefilling:
                if sequence.priority is priority and sequence.status is SequenceStatus.RUNNING:
                    step.add(sequence)
            self._admit_waiting(step, priority)
        scheduled = step.scheduled()
        if self._drafter is not None:
            self._drafter.add_drafts(scheduled, self.block_pool, step.budget)
        assert all(map(self._writes_to_its_own, scheduled)), "a step would write to a block that others read"
        return scheduled

    def launch(self, scheduled: list[ScheduledSequence]) -> None:
        """Takes note that a step is in flight: what it computes and samples counts from now on."""
        for item in scheduled:
            item.sequence.num_computed_tokens += item.num_tokens
            item.sequence.num_sampling += item.num_sampled

    def retire(self, item: ScheduledSequence, num_rejected: int = 0) -> None:
        """Takes note that a step has computed a sequence's tokens, and lets others find the blocks that they filled.

        The tokens that it sampled, the caller appends.

        Args:
            item: The sequence, and what the step has computed of it.
            num_rejected: How many tokens at the end of its draft did not come.
        """
        sequence, pool = item.sequence, self.block_pool
        sequence.num_sampling -= item.num_sampled
        if item.draft:
            self.spec_decode = self.spec_decode.with_draft(len(item.draft), num_rejected)
            sequence.num_computed_tokens -= num_rejected
            num_kept = num_blocks_for(sequence.num_computed_tokens)
            pool.free(sequence.block_table[num_kept:])
            del sequence.block_table[num_kept:]
        for place in range(item.start // BLOCK_SIZE, (item.end - num_rejected) // BLOCK_SIZE):
            parent = sequence.block_table[place - 1] if place else None
            token_ids = item.token_ids(place * BLOCK_SIZE, (place + 1) * BLOCK_SIZE)
            block = pool.cache(sequence.block_table[place], parent, token_ids, sequence.block_salt)
            sequence.block_table[place] = block

    def finish(self, sequence: Sequence) -> None:
        """Ends a sequence, however far it has come, and gives back its blocks."""
        if sequence.status is SequenceStatus.WAITING:
            self.waiting[sequence.priority].remove(sequence)
        elif sequence.status is SequenceStatus.RUNNING:
            self.running.remove(sequence)
        self._free(sequence)
        sequence.status = SequenceStatus.FINISHED

    def preempt_all(self) -> None:
        """Sends every running sequence back to wait, in order."""
        while self.running:
            self._preempt(self.running[-1])

    def _can_go_ahead(self) -> bool:
        """Tells if a step can be scheduled while another is in flight.

        It can't where a sequence must know the token that is being sampled for it. All others wait with it then: were
        only that one left out, it would run in every second step. And it can't where somebody would be preempted, for
        blocks or for a request that waits: what a sequence in flight has computed is not in its table yet.
        """
        going_on = [s for s in self.running if not s.has_all_tokens]
        if any((s.num_sampling and s.must_know_its_tokens) or s.outgrows(self._rope_switch) for s in going_on):
            return False
        if self.running and any(self.waiting[other] for other in Priority if other < self.running[-1].priority):
            return False
        nexts = (queue.next(self._running_of(priority)) for priority, queue in self.waiting.items() if queue)
        has_blocks = sum(s.num_missing_blocks for s in going_on) <= self.block_pool.num_free
        return has_blocks and not any(map(self._gives_place_to, nexts))

    def _reserve(self, sequence: Sequence) -> bool:
        """Gives a running sequence the blocks its tokens need, preempting the last ones; False if it was preempted."""
        missing = sequence.num_missing_blocks
        while missing > self.block_pool.num_free:
            last = self.running[-1]
            self._preempt(last)
            if last is sequence:
                return False
        sequence.block_table += self.block_pool.allocate(missing)
        return True

    def _admit_waiting(self, step: Step, priority: Priority) -> None:
        """Admits sequences of a priority while budget and room last and nobody waits who goes first."""
        if any(self.waiting[other] for other in Priority if other < priority):
            return
        queue = self.waiting[priority]
        while queue and step.budget:
            sequence = queue.next(self._running_of(priority))
            if (shared := self._find_room(sequence)) is None:
                return
            queue.pop(sequence)
            self._admit(sequence, shared)
            step.add(sequence)

    def _running_of(self, priority: Priority) -> list[Sequence]:
        return [sequence for sequence in self.running if sequence.priority is priority]

    def _find_room(self, sequence: Sequence) -> list[int] | None:
        """The cached blocks that a waiting sequence can share, once others give way; None if it finds no room."""
        while (shared := self._shared_if_it_fits(sequence)) is None:
            if self.running and self.running[-1].priority > sequence.priority:
                self._preempt(self.running[-1])
            elif (other := self._gives_place_to(sequence)) is not None:
                self._preempt(other)
            else:
                return None
        return shared

    def _gives_place_to(self, sequence: Sequence) -> Sequence | None:
        """The sequence that gives its place to a waiting one that lacks nothing else."""
        if len(self.running) < self._max_num_seqs:
            return None
        other = newest_beyond_one(sequence, self._running_of(sequence.priority))
        return other if other and self._shared_if_blocks_last(sequence) is not None else None

    def _shared_if_it_fits(self, sequence: Sequence) -> list[int] | None:
        return self._shared_if_blocks_last(sequence) if len(self.running) < self._max_num_seqs else None

    def _shared_if_blocks_last(self, sequence: Sequence) -> list[int] | None:
        pool = self.block_pool
        if not pool.num_free:
            return None
        sequence.position_offset = LONG_POSITIONS if 0 < self._rope_switch < sequence.num_tokens else 0
        known = sequence.token_ids[:-1] if sequence.prompt_logprobs is None else []  # one is computed for its logits
        shared = pool.match(known, sequence.block_salt)
        missing = num_blocks_for(sequence.num_tokens) - len(shared)
        return shared if missing <= pool.num_free_without(shared) else None

    def _admit(self, sequence: Sequence, shared: list[int]) -> None:
        self.block_pool.share(shared)
        sequence.block_table = shared + self.block_pool.allocate(num_blocks_for(sequence.num_tokens) - len(shared))
        sequence.num_computed_tokens = len(shared) * BLOCK_SIZE
        if sequence.num_cached_tokens is None:
            sequence.num_cached_tokens = sequence.num_computed_tokens
        sequence.status = SequenceStatus.RUNNING
        bisect.insort(self.running, sequence, key=attrgetter("priority"))

    def _preempt(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self._free(sequence)
        sequence.status = SequenceStatus.WAITING
        self.waiting[sequence.priority].put_back(sequence)
        self.num_preemptions += 1

    def _free(self, sequence: Sequence) -> None:
        self.block_pool.free(sequence.block_table)
        sequence.block_table = []
        sequence.num_computed_tokens = sequence.num_sampling = 0
        if sequence.prompt_logprobs:
            sequence.prompt_logprobs = []

    def _writes_to_its_own(self, item: ScheduledSequence) -> bool:
        """Tells if nobody else reads the block that a step goes on with; only full ones before it are shared."""
        return self.block_pool.is_writable(item.sequence.block_table[item.start // BLOCK_SIZE])
