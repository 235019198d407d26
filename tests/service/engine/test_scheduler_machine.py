"""Any order of arrivals, steps, aborts and failures keeps scheduler and block pool right, without a model."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.engine.block_pool import BLOCK_SIZE, BlockPool, num_blocks_for
from service.engine.scheduler import ScheduledSequence, Scheduler
from service.engine.sequence import Priority, SamplingParams, Sequence, SequenceStatus

PREFIXES = [[place] * 60 for place in range(2)]
SALTS = ["", "mine"]
REQUEST = st.tuples(
    st.sampled_from(PREFIXES),
    st.integers(0, 60),  # how many tokens of it
    st.integers(1, 20),  # how many of its own follow
    st.integers(1, 50),  # max_tokens
    st.sampled_from(Priority),
    st.sampled_from(SALTS),
)


class KVCache:
    """What a real one would hold: each place depends on all tokens up to it, and here on the salt too.

    Equal beginnings have equal numbers, and unequal ones never do.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str, int], int] = {}
        self._places: dict[tuple[int, int], int] = {}

    def write(self, item: ScheduledSequence) -> None:
        """Computes a sequence's scheduled tokens; it reads what is there for those before."""
        sequence = item.sequence
        number = self._read(sequence)
        for position in range(sequence.num_computed_tokens, sequence.num_computed_tokens + item.num_tokens):
            number = self._number(number, sequence, position)
            block, offset = sequence.block_table[position // BLOCK_SIZE], position % BLOCK_SIZE
            self._places[block, offset] = number

    def _read(self, sequence: Sequence) -> int:
        """The number of the computed tokens; fails unless the cache holds what they would have been computed to."""
        number = -1
        for position in range(sequence.num_computed_tokens):
            number = self._number(number, sequence, position)
            block, offset = sequence.block_table[position // BLOCK_SIZE], position % BLOCK_SIZE
            assert self._places[block, offset] == number, "a sequence reads what is not its own"
        return number

    def _number(self, before: int, sequence: Sequence, position: int) -> int:
        key = (before, sequence.cache_salt, sequence.token_ids[position])
        return self._numbers.setdefault(key, len(self._numbers))


class SchedulerMachine(RuleBasedStateMachine):
    """Plays the engine: what it schedules is written to a cache that knows what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = BlockPool(0)
        self.live: list[Sequence] = []
        self.ended: list[Sequence] = []

    @initialize(
        num_blocks=st.integers(7, 24),
        max_num_seqs=st.integers(1, 6),
        more_tokens=st.integers(0, 100),
    )
    def start(self, num_blocks: int, max_num_seqs: int, more_tokens: int) -> None:
        self.pool = BlockPool(num_blocks)
        self.max_num_seqs, self.budget = max_num_seqs, max_num_seqs + more_tokens
        self.scheduler = Scheduler(self.pool, max_num_seqs, self.budget)
        self.kv_cache = KVCache()

    @rule(requests=st.lists(REQUEST, min_size=1, max_size=4))
    def arrive(self, requests: list[tuple[list[int], int, int, int, Priority, str]]) -> None:
        for prefix, num_shared, num_own, max_tokens, priority, salt in requests:
            self._submit(prefix[:num_shared] + [num_own] * num_own, max_tokens, priority, salt)

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), num_own=st.integers(0, 20), salt=st.sampled_from(SALTS), priority=st.sampled_from(Priority))
    def go_on_with_a_conversation(self, data: st.DataObject, num_own: int, salt: str, priority: Priority) -> None:
        turn = data.draw(st.sampled_from(self.ended))
        self._submit(turn.token_ids[:70] + [num_own] * num_own, 10, priority, salt)

    def _submit(self, prompt: list[int], max_tokens: int, priority: Priority, salt: str) -> None:
        prompt = prompt[: self.pool.num_blocks * BLOCK_SIZE - max_tokens]
        params = SamplingParams(max_tokens)
        self.live.append(Sequence("id", prompt, len(prompt), params, priority=priority, cache_salt=salt))
        self.scheduler.add(self.live[-1])

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(self.live))
        self.live.remove(sequence)
        self.scheduler.finish(sequence)

    @precondition(lambda self: self.scheduler.running)
    @rule(data=st.data())
    def fail_one(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(self.scheduler.running))
        self.pool.forget(sequence.block_table)
        self.live.remove(sequence)
        self.scheduler.finish(sequence)

    @rule()
    def fail_a_step(self) -> None:
        self.scheduler.preempt_all()
        assert self.pool.num_free == self.pool.num_blocks
        self.pool.forget(range(self.pool.num_blocks))
        assert self.pool.num_cached == 0

    @rule(num_steps=st.integers(1, 8))
    def step(self, num_steps: int) -> None:
        for _ in range(num_steps):
            self._step()

    def _step(self) -> None:
        waiting = {priority: list(queue) for priority, queue in self.scheduler.waiting.items()}
        decoding = [sequence for sequence in self.scheduler.running if sequence.is_decoding]
        scheduled = self.scheduler.schedule()
        self._check_step(scheduled, decoding, waiting)
        for item in scheduled:
            self._compute(item)

    def _check_step(
        self, scheduled: list[ScheduledSequence], decoding: list[Sequence], waiting: dict[Priority, list[Sequence]]
    ) -> None:
        sequences = [item.sequence for item in scheduled]
        assert bool(scheduled) == bool(self.live), "there is work, and nothing of it is done"
        assert len(set(sequences)) == len(sequences), "a sequence is scheduled twice"
        assert sum(item.num_tokens for item in scheduled) <= self.budget
        for item in scheduled:
            assert 1 <= item.num_tokens <= item.sequence.num_uncomputed_tokens
        for sequence in decoding:
            assert sequence in sequences or sequence.status is SequenceStatus.WAITING, "a stream stands still"
        admitted = [sequence for sequence in self.scheduler.running if sequence in waiting[sequence.priority]]
        for priority, queue in waiting.items():
            in_turn = [sequence for sequence in admitted if sequence.priority is priority]
            assert in_turn == queue[: len(in_turn)], "not first come, first served"
        if any(sequence.priority is Priority.BATCH for sequence in admitted):
            assert not self.scheduler.waiting[Priority.ONLINE], "a batch request goes before an online one"

    def _compute(self, item: ScheduledSequence) -> None:
        start, sequence = item.sequence.num_computed_tokens, item.sequence
        for block in sequence.block_table[start // BLOCK_SIZE : num_blocks_for(start + item.num_tokens)]:
            assert self.pool.num_holders(block) == 1, "a step writes to a shared block"
        self.kv_cache.write(item)
        is_last_chunk = item.is_last_chunk
        self.scheduler.advance(item)
        if not is_last_chunk:
            return
        sequence.append(1000 + sequence.num_tokens)
        if sequence.finish_reason():
            self.live.remove(sequence)
            self.ended.append(sequence)
            self.scheduler.finish(sequence)

    @invariant()
    def every_block_is_free_or_held_by_as_many_sequences_as_it_counts(self) -> None:
        held = Counter(block for sequence in self.scheduler.running for block in sequence.block_table)
        assert [self.pool.num_holders(block) for block in range(self.pool.num_blocks)] == [
            held[block] for block in range(self.pool.num_blocks)
        ]
        assert self.pool.num_free == self.pool.num_blocks - len(held)

    @invariant()
    def blocks_that_several_sequences_hold_are_full_and_begin_each_alike(self) -> None:
        meaning: dict[int, tuple[str, list[int]]] = {}
        for sequence in self.scheduler.running:
            for place, block in enumerate(sequence.block_table):
                if self.pool.num_holders(block) == 1:
                    continue
                end = (place + 1) * BLOCK_SIZE
                assert end <= sequence.num_computed_tokens, "a shared block is not full"
                mine = (sequence.cache_salt, sequence.token_ids[:end])
                assert meaning.setdefault(block, mine) == mine, "a block is shared by unlike sequences"

    @invariant()
    def a_running_sequences_full_blocks_are_found_by_others(self) -> None:
        for sequence in self.scheduler.running:
            num_full = sequence.num_computed_tokens // BLOCK_SIZE
            assert all(map(self.pool.is_cached, sequence.block_table[:num_full]))
            assert not any(map(self.pool.is_cached, sequence.block_table[num_full:]))

    @invariant()
    def sequences_wait_or_run_within_bounds_and_in_order(self) -> None:
        scheduler = self.scheduler
        waiting = [sequence for queue in scheduler.waiting.values() for sequence in queue]
        assert sorted(map(id, self.live)) == sorted(map(id, [*waiting, *scheduler.running]))
        assert len(scheduler.running) <= self.max_num_seqs
        for priority, queue in scheduler.waiting.items():
            in_order = [sequence for sequence in scheduler.running if sequence.priority is priority] + list(queue)
            assert in_order == [sequence for sequence in self.live if sequence.priority is priority]
        assert not any(sequence.block_table for sequence in waiting)
        for sequence in scheduler.running:
            assert len(sequence.block_table) >= num_blocks_for(sequence.num_computed_tokens)

    def teardown(self) -> None:
        # The oldest of the first priority gets a token in every step and is never preempted, and so the next.
        bound = sum(sequence.num_prompt_tokens + sequence.params.max_tokens for sequence in self.live)
        for _ in range(bound):
            if self.live:
                self._step()
        assert not self.live, "a request starved"
        assert self.pool.num_free == self.pool.num_blocks


TestSchedulerMachine = SchedulerMachine.TestCase
TestSchedulerMachine.settings = settings(stateful_step_count=30)
