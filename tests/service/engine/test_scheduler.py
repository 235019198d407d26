"""The scheduler's rules, without a model: a step is played by marking the scheduled tokens as computed."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.engine.block_pool import BLOCK_SIZE, BlockPool, num_blocks_for
from service.engine.scheduler import ScheduledSequence, Scheduler
from service.engine.sequence import SamplingParams, Sequence, SequenceStatus


def make_sequence(num_prompt_tokens: int, max_tokens: int = 1000) -> Sequence:
    return Sequence("id", [7] * num_prompt_tokens, num_prompt_tokens, SamplingParams(max_tokens))


def make_scheduler(num_blocks: int = 64, max_num_seqs: int = 8, max_num_batched_tokens: int = 32) -> Scheduler:
    return Scheduler(BlockPool(num_blocks), max_num_seqs, max_num_batched_tokens)


def play(scheduled: list[ScheduledSequence]) -> None:
    for item in scheduled:
        is_last_chunk = item.is_last_chunk
        item.sequence.num_computed_tokens += item.num_tokens
        if is_last_chunk:
            item.sequence.token_ids.append(7)


def test_a_long_prompt_is_prefilled_in_chunks_of_the_budget() -> None:
    scheduler = make_scheduler(max_num_batched_tokens=32)
    scheduler.add(make_sequence(70))
    chunks = []
    for _ in range(3):
        scheduled = scheduler.schedule()
        chunks.append([item.num_tokens for item in scheduled])
        play(scheduled)
    assert chunks == [[32], [32], [6]]


def test_sequences_that_decode_get_their_token_beside_a_long_prefill() -> None:
    scheduler = make_scheduler(max_num_batched_tokens=32)
    for _ in range(3):
        scheduler.add(make_sequence(4))
    play(scheduler.schedule())
    scheduler.add(make_sequence(100))
    assert [item.num_tokens for item in scheduler.schedule()] == [1, 1, 1, 29]


def test_requests_are_admitted_in_the_order_of_their_arrival() -> None:
    scheduler = make_scheduler(num_blocks=4)
    large, small = make_sequence(5 * BLOCK_SIZE), make_sequence(1)
    scheduler.add(make_sequence(1))
    scheduler.add(large)
    scheduler.add(small)
    assert len(scheduler.schedule()) == 1
    assert list(scheduler.waiting) == [large, small]


def test_no_more_sequences_run_than_may() -> None:
    scheduler = make_scheduler(max_num_seqs=2)
    for _ in range(3):
        scheduler.add(make_sequence(1))
    assert len(scheduler.schedule()) == 2


def test_the_newest_sequence_gives_way_when_blocks_run_out() -> None:
    scheduler = make_scheduler(num_blocks=2)
    oldest, newest = make_sequence(BLOCK_SIZE), make_sequence(BLOCK_SIZE - 1)
    scheduler.add(oldest)
    scheduler.add(newest)
    play(scheduler.schedule())
    scheduled = scheduler.schedule()
    assert [item.sequence for item in scheduled] == [oldest]
    assert newest.status is SequenceStatus.WAITING
    assert newest.num_computed_tokens == 0
    assert newest.num_tokens == BLOCK_SIZE, "the token that it has drawn is kept"


def test_a_budget_below_the_number_of_sequences_is_refused() -> None:
    with pytest.raises(ValueError, match="at least max_num_seqs"):
        make_scheduler(max_num_seqs=33, max_num_batched_tokens=32)


class SchedulerMachine(RuleBasedStateMachine):
    """Any order of arrivals, steps and ends keeps the books right."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = make_scheduler(num_blocks=12, max_num_seqs=4, max_num_batched_tokens=24)
        self.live: list[Sequence] = []

    @rule(num_prompt_tokens=st.integers(1, 100), max_tokens=st.integers(1, 90))
    def arrive(self, num_prompt_tokens: int, max_tokens: int) -> None:
        self.live.append(make_sequence(num_prompt_tokens, max_tokens))
        self.scheduler.add(self.live[-1])

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(self.live))
        self.live.remove(sequence)
        self.scheduler.finish(sequence)

    @rule(num_steps=st.integers(1, 20))
    def step(self, num_steps: int) -> None:
        for _ in range(num_steps):
            scheduled = self.scheduler.schedule()
            assert bool(scheduled) == bool(self.live), "there is work, and nothing of it is done"
            assert sum(item.num_tokens for item in scheduled) <= 24
            decoding = [s for s in self.scheduler.running if s.num_uncomputed_tokens == 1]
            assert {id(item.sequence) for item in scheduled} >= set(map(id, decoding))
            play(scheduled)
            for sequence in [item.sequence for item in scheduled if item.sequence.finish_reason()]:
                self.live.remove(sequence)
                self.scheduler.finish(sequence)

    @rule()
    def fail(self) -> None:
        self.scheduler.preempt_all()

    @invariant()
    def blocks_are_held_once_and_by_running_sequences(self) -> None:
        held = [block for sequence in self.scheduler.running for block in sequence.block_table]
        assert len(held) == len(set(held))
        assert len(held) + self.scheduler.block_pool.num_free == 12

    @invariant()
    def every_live_sequence_is_waiting_or_running(self) -> None:
        assert set(map(id, self.live)) == {id(s) for s in [*self.scheduler.waiting, *self.scheduler.running]}

    @invariant()
    def blocks_cover_what_is_computed(self) -> None:
        for sequence in self.scheduler.running:
            assert len(sequence.block_table) >= num_blocks_for(sequence.num_computed_tokens)

    def teardown(self) -> None:
        for _ in range(2000):
            if not self.live:
                break
            self.step(num_steps=1)
        assert not self.live, "a request starved"
        assert self.scheduler.block_pool.num_free == 12


TestSchedulerMachine = SchedulerMachine.TestCase
