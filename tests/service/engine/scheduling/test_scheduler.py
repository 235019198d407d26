"""The scheduler's rules, without a model: a step is played by marking the scheduled tokens as computed."""

import itertools

import pytest

from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.scheduler import Scheduler
from service.engine.scheduling.sequence import Sequence, SequenceStatus
from service.engine_protocol.engine_config import BLOCK_SIZE
from service.engine_protocol.sampling_params import Priority, SamplingParams

_FRESH = itertools.count(1000)
"""Tokens that no other sequence has."""


def make_sequence(
    num_prompt_tokens: int,
    max_tokens: int = 1000,
    priority: Priority = Priority.ONLINE,
    salt: str = "",
    account: str = "",
) -> Sequence:
    """A sequence that shares no prefix with any other."""
    prompt = [next(_FRESH) for _ in range(num_prompt_tokens)]
    params = SamplingParams(max_tokens)
    return Sequence("id", prompt, num_prompt_tokens, params, priority=priority, cache_salt=salt, account=account)


def like(sequence: Sequence, num_more_tokens: int = 0, salt: str = "") -> Sequence:
    """A sequence whose prompt begins with all that another has."""
    prompt = sequence.token_ids + [next(_FRESH) for _ in range(num_more_tokens)]
    return Sequence("like", prompt, len(prompt), SamplingParams(1000), cache_salt=salt)


def make_scheduler(num_blocks: int = 64, max_num_seqs: int = 8, max_num_batched_tokens: int = 32) -> Scheduler:
    return Scheduler(BlockPool(num_blocks), max_num_seqs, max_num_batched_tokens)


def play(scheduler: Scheduler) -> dict[Sequence, int]:
    """Plays a step: each scheduled sequence with the number of its tokens."""
    scheduled = scheduler.schedule()
    scheduler.launch(scheduled)
    for item in scheduled:
        scheduler.retire(item)
        if item.is_last_chunk:
            item.sequence.append(7)
    return {item.sequence: item.num_tokens for item in scheduled}


def test_a_long_prompt_is_prefilled_in_chunks_of_the_budget() -> None:
    scheduler = make_scheduler(max_num_batched_tokens=32)
    scheduler.add(make_sequence(70))
    assert [list(play(scheduler).values()) for _ in range(3)] == [[32], [32], [6]]


def test_every_running_sequence_gets_its_token_in_each_step_of_a_long_prefill() -> None:
    scheduler = make_scheduler(num_blocks=200, max_num_batched_tokens=256)
    streams = [make_sequence(4) for _ in range(3)]
    for sequence in streams:
        scheduler.add(sequence)
    play(scheduler)
    long = make_sequence(2000)
    scheduler.add(long)
    for _ in range(7):
        assert play(scheduler) == {**dict.fromkeys(streams, 1), long: 253}
    assert play(scheduler) == {**dict.fromkeys(streams, 1), long: 2000 - 7 * 253}


def test_requests_are_admitted_in_the_order_of_their_arrival() -> None:
    scheduler = make_scheduler(num_blocks=4)
    large, small = make_sequence(5 * BLOCK_SIZE), make_sequence(1)
    scheduler.add(make_sequence(1))
    scheduler.add(large)
    scheduler.add(small)
    assert len(scheduler.schedule()) == 1
    assert list(scheduler.waiting[Priority.ONLINE]) == [large, small]


def test_an_account_with_none_running_takes_the_place_of_the_newest_of_one_with_several() -> None:
    scheduler = make_scheduler(max_num_seqs=3)
    flood = [make_sequence(1, account="flood") for _ in range(6)]
    for sequence in flood:
        scheduler.add(sequence)
    play(scheduler)
    others = [make_sequence(1, account="other") for _ in range(2)]
    for sequence in others:
        scheduler.add(sequence)
    assert scheduler.schedule(is_ahead=True) == [], "nobody is preempted while a step is in flight"
    assert list(play(scheduler)) == [*flood[:2], others[0]]
    assert scheduler.num_preemptions == 1
    scheduler.finish(others[0])
    assert list(play(scheduler)) == [*flood[:2], others[1]], "no longer preempted than it needs to be"
    scheduler.finish(others[1])
    assert list(play(scheduler)) == flood[:3], "the preempted one goes first"


def test_accounts_with_one_running_each_keep_their_places() -> None:
    scheduler = make_scheduler(max_num_seqs=2)
    for account in "abc":
        scheduler.add(make_sequence(1, account=account))
    play(scheduler)
    play(scheduler)
    assert [sequence.account for sequence in scheduler.running] == ["a", "b"]
    assert scheduler.num_preemptions == 0


def test_nobody_gives_a_place_to_a_sequence_that_has_no_blocks() -> None:
    scheduler = make_scheduler(num_blocks=4, max_num_seqs=2)
    for _ in range(2):
        scheduler.add(make_sequence(BLOCK_SIZE, account="flood"))
    play(scheduler)
    scheduler.add(make_sequence(4 * BLOCK_SIZE, account="other"))
    play(scheduler)
    assert scheduler.num_preemptions == 0


def test_no_more_sequences_run_than_may() -> None:
    scheduler = make_scheduler(max_num_seqs=2)
    for _ in range(3):
        scheduler.add(make_sequence(1))
    assert len(scheduler.schedule()) == 2


def test_the_newest_sequence_gives_way_when_blocks_run_out_and_keeps_what_it_has_drawn() -> None:
    scheduler = make_scheduler(num_blocks=2)
    oldest, newest = make_sequence(BLOCK_SIZE), make_sequence(BLOCK_SIZE - 1)
    scheduler.add(oldest)
    scheduler.add(newest)
    play(scheduler)
    assert list(play(scheduler)) == [oldest]
    assert newest.status is SequenceStatus.WAITING
    assert (newest.num_tokens, newest.num_computed_tokens) == (BLOCK_SIZE, 0)
    assert scheduler.num_preemptions == 1


def test_a_preempted_sequence_goes_on_where_it_was_if_its_blocks_are_still_there() -> None:
    scheduler = make_scheduler(num_blocks=6, max_num_batched_tokens=128)
    oldest, newest = make_sequence(2 * BLOCK_SIZE), make_sequence(3 * BLOCK_SIZE + 1)
    scheduler.add(oldest)
    scheduler.add(newest)
    play(scheduler)
    assert list(play(scheduler)) == [oldest]
    scheduler.finish(oldest)
    assert play(scheduler) == {newest: 2}, "the prompt's last token and the one sampled after it"
    assert newest.num_cached_tokens == 0, "what counts is what its first run found"


def test_a_preempted_sequence_may_come_back_in_the_same_step_if_others_have_computed_its_prefix() -> None:
    scheduler = make_scheduler(num_blocks=7, max_num_seqs=2, max_num_batched_tokens=65)
    older = make_sequence(4 * BLOCK_SIZE)
    newer = Sequence("newer", older.token_ids[:BLOCK_SIZE] + [1] * (BLOCK_SIZE + 1), 33, SamplingParams(9))
    scheduler.add(older)
    scheduler.add(newer)
    assert play(scheduler) == {older: 64, newer: 1}
    assert play(scheduler) == {older: 1, newer: 33 - BLOCK_SIZE}, "one block less of its own is one for the older"
    assert scheduler.num_preemptions == 1


def test_a_shared_prefix_is_computed_once() -> None:
    scheduler = make_scheduler()
    first = make_sequence(2 * BLOCK_SIZE)
    scheduler.add(first)
    play(scheduler)
    second = like(first, num_more_tokens=5)
    scheduler.add(second)
    assert play(scheduler)[second] == second.num_tokens - 1 - 2 * BLOCK_SIZE
    assert second.num_cached_tokens == 2 * BLOCK_SIZE
    assert second.block_table[:2] == first.block_table[:2]
    assert not set(second.block_table[2:]) & set(first.block_table[2:])


def test_the_second_turn_of_a_conversation_computes_only_what_is_new() -> None:
    scheduler = make_scheduler()
    turn = make_sequence(20)
    scheduler.add(turn)
    for _ in range(30):
        play(scheduler)
    scheduler.finish(turn)
    assert turn.num_tokens == 50
    next_turn = like(turn, num_more_tokens=10)
    scheduler.add(next_turn)
    assert play(scheduler)[next_turn] == 60 - 3 * BLOCK_SIZE


def test_one_token_of_a_prompt_is_computed_even_if_all_are_cached() -> None:
    scheduler = make_scheduler()
    first = make_sequence(2 * BLOCK_SIZE)
    same = like(first)
    scheduler.add(first)
    play(scheduler)
    scheduler.add(same)
    play(scheduler)
    assert same.num_cached_tokens == BLOCK_SIZE
    assert same.num_completion_tokens == 1


def test_another_salt_shares_nothing() -> None:
    scheduler = make_scheduler()
    first = make_sequence(2 * BLOCK_SIZE, salt="mine")
    scheduler.add(first)
    play(scheduler)
    others = [like(first, 1, salt=salt) for salt in ("yours", "", "mine")]
    for other in others:
        scheduler.add(other)
    for _ in range(5):
        play(scheduler)
    assert [other.num_cached_tokens for other in others] == [0, 0, 2 * BLOCK_SIZE]


def test_a_cached_prefix_admits_what_would_not_fit_alone() -> None:
    scheduler = make_scheduler(num_blocks=6)
    first = make_sequence(4 * BLOCK_SIZE)
    scheduler.add(first)
    while first.num_completion_tokens == 0:
        play(scheduler)
    scheduler.add(like(first, num_more_tokens=2))
    play(scheduler)
    assert len(scheduler.running) == 2


def test_blocks_that_are_shared_from_the_free_ones_are_not_counted_as_free() -> None:
    scheduler = make_scheduler(num_blocks=5)
    first, other = make_sequence(3 * BLOCK_SIZE), make_sequence(1)
    scheduler.add(first)
    while first.num_completion_tokens == 0:
        play(scheduler)
    scheduler.finish(first)
    scheduler.add(other)
    play(scheduler)
    waits = like(first, num_more_tokens=BLOCK_SIZE)  # 5 blocks, of which 3 are cached and free and none else is
    scheduler.add(waits)
    play(scheduler)
    assert waits.status is SequenceStatus.WAITING


def batch_sequence(num_prompt_tokens: int) -> Sequence:
    return make_sequence(num_prompt_tokens, priority=Priority.BATCH)


def test_batch_requests_are_admitted_after_the_online_ones() -> None:
    scheduler = make_scheduler(max_num_seqs=2)
    batch, *online = [batch_sequence(1), make_sequence(1), make_sequence(1)]
    for sequence in (batch, *online):
        scheduler.add(sequence)
    assert list(play(scheduler)) == online
    scheduler.finish(online[0])
    assert list(play(scheduler)) == [online[1], batch]


def test_a_batch_request_waits_while_an_online_one_does_even_if_it_would_fit() -> None:
    scheduler = make_scheduler(num_blocks=4)
    running, large, batch = make_sequence(BLOCK_SIZE), make_sequence(4 * BLOCK_SIZE), batch_sequence(1)
    for sequence in (running, large, batch):
        scheduler.add(sequence)
    assert list(play(scheduler)) == [running]


def test_a_batch_request_gives_its_place_to_an_online_one() -> None:
    scheduler = make_scheduler(max_num_seqs=2)
    batch = [batch_sequence(5), batch_sequence(5)]
    for sequence in batch:
        scheduler.add(sequence)
    play(scheduler)
    online = make_sequence(5)
    scheduler.add(online)
    assert play(scheduler) == {online: 5, batch[0]: 1}
    scheduler.finish(online)
    assert set(play(scheduler)) == set(batch)


def test_a_batch_request_is_preempted_before_a_newer_online_one() -> None:
    scheduler = make_scheduler(num_blocks=4)
    older, batch, newer = make_sequence(1), batch_sequence(1), make_sequence(1)
    for sequence in (older, batch, newer):
        scheduler.add(sequence)
    for _ in range(BLOCK_SIZE + 1):
        play(scheduler)
    assert batch.status is SequenceStatus.WAITING
    assert {older.status, newer.status} == {SequenceStatus.RUNNING}


def test_online_prompts_are_prefilled_before_batch_ones() -> None:
    scheduler = make_scheduler(num_blocks=64, max_num_batched_tokens=32)
    batch, online = batch_sequence(200), make_sequence(40)
    scheduler.add(batch)
    play(scheduler)
    scheduler.add(online)
    assert play(scheduler) == {online: 32}
    assert play(scheduler) == {online: 8, batch: 24}


def test_a_budget_below_the_number_of_sequences_is_refused() -> None:
    with pytest.raises(ValueError, match="at least max_num_seqs"):
        make_scheduler(max_num_seqs=33, max_num_batched_tokens=32)
