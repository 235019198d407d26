"""Sequences that wait, taken in turn from their accounts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.scheduling.fair_queue import FairQueue
from service.engine.scheduling.sequence import Sequence
from service.engine_protocol.sampling_params import SamplingParams


def waiting(account: str, name: str = "") -> Sequence:
    return Sequence(name or account, [5], 1, SamplingParams(1), account=account)


def taken(queue: FairQueue, running: list[Sequence]) -> list[str]:
    """The names of all that wait in the order in which they run, none of which ends."""
    names = []
    while queue:
        sequence = queue.next(running)
        queue.pop(sequence)
        running.append(sequence)
        names.append(sequence.id)
    return names


def test_one_account_is_served_in_the_order_of_arrival() -> None:
    queue = FairQueue()
    for name in "abc":
        queue.append(waiting("one", name))
    assert taken(queue, []) == ["a", "b", "c"]


def test_accounts_take_turns_however_many_requests_one_has() -> None:
    queue = FairQueue()
    for place in range(4):
        queue.append(waiting("flood", f"flood {place}"))
    queue.append(waiting("other", "other 0"))
    queue.append(waiting("other", "other 1"))
    assert taken(queue, []) == ["flood 0", "other 0", "flood 1", "other 1", "flood 2", "flood 3"]


def test_the_account_with_fewest_running_sequences_is_next() -> None:
    queue = FairQueue()
    queue.append(waiting("flood", "flood"))
    queue.append(waiting("other", "other 0"))
    queue.append(waiting("other", "other 1"))
    assert taken(queue, [waiting("flood"), waiting("flood")]) == ["other 0", "other 1", "flood"]


def test_a_preempted_sequence_goes_first() -> None:
    queue = FairQueue()
    queue.append(waiting("other", "other"))
    queue.append(waiting("one", "new"))
    queue.put_back(waiting("one", "preempted"))
    assert taken(queue, []) == ["preempted", "other", "new"]


def test_what_does_not_wait_can_not_be_taken_out() -> None:
    queue = FairQueue()
    with pytest.raises(LookupError):
        queue.next([])
    with pytest.raises(LookupError):
        queue.remove(waiting("one"))
    queue.append(waiting("one"))
    with pytest.raises(ValueError, match="not in deque"):
        queue.remove(waiting("one"))


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_no_account_is_ahead_of_one_that_waits_by_more_than_one(accounts: list[str]) -> None:
    queue = FairQueue()
    for place, account in enumerate(accounts):
        queue.append(waiting(account, f"{account}{place}"))
    assert len(queue) == len(accounts)
    running: list[Sequence] = []
    while queue:
        left = {sequence.account for sequence in queue}
        sequence = queue.next(running)
        queue.pop(sequence)
        running.append(sequence)
        counts = Counter(each.account for each in running)
        assert counts[sequence.account] <= 1 + min(counts[account] for account in left)
    assert sorted(sequence.id for sequence in running) == sorted(f"{a}{p}" for p, a in enumerate(accounts))
