"""Any order of arrivals, steps, aborts and failures keeps scheduler and block pool right, without a model."""

import itertools
import operator
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.scheduler import Scheduler
from service.engine.scheduling.sequence import Sequence, SequenceStatus
from service.engine_protocol.engine_config import BLOCK_SIZE, num_blocks_for
from service.engine_protocol.sampling_params import Priority, SamplingParams
from tests.support.known_drafts import SomeRight
from tests.support.known_kv_cache import KVCache, drawn_at

PREFIXES = [[place] * 60 for place in range(2)]
SALTS = ["", "mine"]
REQUEST = st.tuples(
    st.sampled_from(PREFIXES),
    st.integers(0, 60),  # how many tokens of it
    st.integers(1, 20),  # how many of its own follow
    st.integers(1, 50),  # max_tokens
    st.integers(0, 50),  # the index of a token that ends it
    st.booleans(),  # whether it must know its tokens
    st.sampled_from(Priority),
    st.sampled_from(SALTS),
)


class SchedulerMachine(RuleBasedStateMachine):
    """Plays the engine: what it schedules is written to a cache that knows what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = BlockPool(0)
        self.live: list[Sequence] = []
        self.ended: list[Sequence] = []
        self.flights: list[list[ScheduledSequence]] = []

    @initialize(
        num_blocks=st.integers(7, 24),
        max_num_seqs=st.integers(1, 6),
        more_tokens=st.integers(0, 100),
        max_num_flights=st.integers(1, 2),
        draft_seed=st.none() | st.integers(0, 99),
    )
    def start(
        self, num_blocks: int, max_num_seqs: int, more_tokens: int, max_num_flights: int, draft_seed: int | None
    ) -> None:
        self.max_num_flights = max_num_flights if draft_seed is None else 1
        self.pool = BlockPool(num_blocks)
        self.max_num_seqs, self.budget = max_num_seqs, max_num_seqs + more_tokens
        drafter = None if draft_seed is None else SomeRight(drawn_at, draft_seed)
        self.scheduler = Scheduler(self.pool, max_num_seqs, self.budget, drafter=drafter)
        self.kv_cache = KVCache()

    @rule(requests=st.lists(REQUEST, min_size=1, max_size=4))
    def arrive(self, requests: list[tuple[list[int], int, int, int, int, bool, Priority, str]]) -> None:
        for prefix, num_shared, num_own, max_tokens, last_index, must_know, priority, salt in requests:
            prompt = prefix[:num_shared] + [num_own] * num_own
            params = SamplingParams(
                max_tokens,
                eos_token_ids=frozenset({drawn_at(len(prompt) + last_index)}),
                presence_penalty=float(must_know),
            )
            self._submit(prompt, params, priority, salt)

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), num_own=st.integers(0, 20), salt=st.sampled_from(SALTS), priority=st.sampled_from(Priority))
    def go_on_with_a_conversation(self, data: st.DataObject, num_own: int, salt: str, priority: Priority) -> None:
        turn = data.draw(st.sampled_from(self.ended))
        self._submit(turn.token_ids[:70] + [num_own] * num_own, SamplingParams(10), priority, salt)

    def _submit(self, prompt: list[int], params: SamplingParams, priority: Priority, salt: str) -> None:
        prompt = prompt[: self.pool.num_blocks * BLOCK_SIZE - params.max_tokens]
        self.live.append(Sequence("id", prompt, len(prompt), params, priority=priority, cache_salt=salt, account=salt))
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
        self.flights.clear()
        self.scheduler.preempt_all()
        assert self.pool.num_free == self.pool.num_blocks
        self.pool.forget(range(self.pool.num_blocks))
        assert self.pool.num_cached == 0

    @rule(num_steps=st.integers(1, 8))
    def step(self, num_steps: int) -> None:
        for _ in range(num_steps):
            self._step()

    def _step(self) -> None:
        while len(self.flights) < self.max_num_flights and self._launch():
            pass
        self._retire()

    def _launch(self) -> bool:
        waiting = {priority: list(queue) for priority, queue in self.scheduler.waiting.items()}
        decoding = [sequence for sequence in self.scheduler.running if sequence.is_decoding]
        num_preemptions, is_ahead = self.scheduler.num_preemptions, bool(self.flights)
        scheduled = self.scheduler.schedule(is_ahead)
        if is_ahead:
            assert self.scheduler.num_preemptions == num_preemptions, "blocks of a step in flight are taken away"
        else:
            assert bool(scheduled) == bool(self.live), "there is work, and nothing of it is done"
        if scheduled:
            self._check_step(scheduled, decoding, waiting)
            for item in scheduled:
                self._compute(item)
            self.scheduler.launch(scheduled)
            self.flights.append(scheduled)
        return bool(scheduled)

    def _check_step(
        self, scheduled: list[ScheduledSequence], decoding: list[Sequence], waiting: dict[Priority, list[Sequence]]
    ) -> None:
        sequences = [item.sequence for item in scheduled]
        assert bool(scheduled) == bool(self.live), "there is work, and nothing of it is done"
        assert len(set(sequences)) == len(sequences), "a sequence is scheduled twice"
        assert sum(item.num_tokens for item in scheduled) <= self.budget
        for item in scheduled:
            assert 1 <= item.num_tokens - len(item.draft) <= item.sequence.num_uncomputed_tokens
            assert item.sequence.next_index + item.num_sampled <= item.sequence.params.max_tokens
            assert not (item.sequence.must_know_its_tokens and item.sequence.num_sampling)
        for sequence in decoding:
            is_out = sequence.has_all_tokens or sequence.status is SequenceStatus.WAITING
            assert is_out != (sequence in sequences), "a stream stands still, or has more tokens than it may"
        admitted = [sequence for sequence in self.scheduler.running if sequence in waiting[sequence.priority]]
        for priority, account in itertools.product(Priority, SALTS):
            queue = [sequence for sequence in waiting[priority] if sequence.account == account]
            in_turn = [sequence for sequence in admitted if sequence in queue]
            assert in_turn == queue[: len(in_turn)], "not first come, first served"
        if any(sequence.priority is Priority.BATCH for sequence in admitted):
            assert not self.scheduler.waiting[Priority.ONLINE], "a batch request goes before an online one"

    def _compute(self, item: ScheduledSequence) -> None:
        """What the device will do; it keeps the order of the launches."""
        sequence = item.sequence
        for block in sequence.block_table[item.start // BLOCK_SIZE : num_blocks_for(item.end)]:
            assert self.pool.num_holders(block) == 1, "a step writes to a shared block"
        self.kv_cache.write(item)

    def _retire(self) -> None:
        for item in self.flights.pop(0) if self.flights else []:
            sequence = item.sequence
            if sequence.status is SequenceStatus.FINISHED:
                continue
            right = [drawn_at(place) for place in range(item.end - len(item.draft), item.end)]
            num_right = len(list(itertools.takewhile(bool, map(operator.eq, item.draft, right))))
            self.scheduler.retire(item, len(item.draft) - num_right)
            if not item.is_last_chunk:
                continue
            for _ in range(num_right + 1):
                assert not sequence.finish_reason()
                sequence.append(drawn_at(len(sequence.token_ids)))
            if sequence.finish_reason():
                self.live.remove(sequence)
                self.ended.append(sequence)
                self.scheduler.finish(sequence)

    def _num_in_flight(self, sequence: Sequence) -> int:
        """How many of its tokens the steps in flight compute."""
        return sum(item.num_tokens for flight in self.flights for item in flight if item.sequence is sequence)

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
                num_computed = sequence.num_computed_tokens - self._num_in_flight(sequence)
                assert end <= num_computed, "a shared block is not full"
                mine = (sequence.cache_salt, sequence.token_ids[:end])
                assert meaning.setdefault(block, mine) == mine, "a block is shared by unlike sequences"

    @invariant()
    def a_running_sequences_full_blocks_are_found_by_others(self) -> None:
        for sequence in self.scheduler.running:
            num_full = (sequence.num_computed_tokens - self._num_in_flight(sequence)) // BLOCK_SIZE
            assert all(map(self.pool.is_cached, sequence.block_table[:num_full]))
            assert not any(map(self.pool.is_cached, sequence.block_table[num_full:]))

    @invariant()
    def sequences_wait_or_run_within_bounds_and_in_order(self) -> None:
        scheduler = self.scheduler
        waiting = [sequence for queue in scheduler.waiting.values() for sequence in queue]
        assert sorted(map(id, self.live)) == sorted(map(id, [*waiting, *scheduler.running]))
        assert len(scheduler.running) <= self.max_num_seqs
        for kind in itertools.product(Priority, SALTS):
            in_order = [each for each in (*scheduler.running, *waiting) if (each.priority, each.account) == kind]
            assert in_order == [each for each in self.live if (each.priority, each.account) == kind]
        assert not any(sequence.block_table for sequence in waiting)
        for sequence in scheduler.running:
            assert len(sequence.block_table) >= num_blocks_for(sequence.num_computed_tokens)

    def teardown(self) -> None:
        # The oldest of the first priority gets a token in every step and is never preempted, and so the next.
        bound = sum(sequence.num_prompt_tokens + sequence.params.max_tokens for sequence in self.live)
        for _ in range(bound + len(self.flights)):
            if self.live:
                self._step()
        assert not self.live, "a request starved"
        assert self.pool.num_free == self.pool.num_blocks


TestSchedulerMachine = SchedulerMachine.TestCase
TestSchedulerMachine.settings = settings(stateful_step_count=30)
