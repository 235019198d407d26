"""What is remembered of the service's QUEUE_FULL, and for how long."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import AiError
from bridge.upstream.room import MAX_REMEMBERED, PROBE_PERIOD_S, Room

MODEL = "@runstream/demo"


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Desk:
    """A room and calls that hold it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.room = Room(self.clock)
        self.calls: list[contextlib.ExitStack] = []

    def open(self, account: str = "acc", model: str = MODEL) -> bool:
        """Opens a call; False if that was refused."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.room.taken(account, model))
            except AiError:
                return False
            self.calls.append(stack.pop_all())
        return True

    def end(self) -> None:
        """Ends the oldest call."""
        self.calls.pop(0).close()

    def refuse(self, account: str = "acc", model: str = MODEL, retry_after_s: float | None = 5.0) -> None:
        """Opens a call that the service refuses."""
        with pytest.raises(AiError), self.room.taken(account, model):
            raise AiError("QUEUE_FULL", retry_after_s=retry_after_s)


def test_after_a_refusal_as_many_calls_may_be_open_as_were_then() -> None:
    desk = Desk()
    assert all(desk.open() for _ in range(3))
    desk.refuse()
    assert not desk.open()
    desk.end()
    assert desk.open()
    assert not desk.open()


def test_the_refusal_says_how_long_the_service_has_no_room() -> None:
    desk = Desk()
    desk.open()
    desk.refuse(retry_after_s=7.0)
    desk.clock.now_s += 0.05
    with pytest.raises(AiError) as caught:
        desk.room.check("acc", MODEL)
    assert caught.value.reason == "QUEUE_FULL"
    assert caught.value.retry_after_s == pytest.approx(6.95)


def test_now_and_then_more_are_let_through_and_twice_as_many_as_long_as_they_are_taken() -> None:
    desk = Desk()
    desk.open()
    desk.refuse()
    for num_more in (1, 2, 4, 8):
        assert not desk.open()
        desk.clock.now_s += PROBE_PERIOD_S
        assert [desk.open() for _ in range(num_more + 1)] == [True] * num_more + [False]
    desk.end()
    assert desk.open()
    assert not desk.open()


def test_after_a_refusal_it_is_one_more_again() -> None:
    desk = Desk()
    desk.refuse()
    for num_more in (1, 2):
        desk.clock.now_s += PROBE_PERIOD_S
        assert [desk.open() for _ in range(num_more + 1)] == [True] * num_more + [False]
    desk.clock.now_s += PROBE_PERIOD_S
    desk.refuse()
    assert not desk.open()
    desk.clock.now_s += PROBE_PERIOD_S
    assert [desk.open() for _ in range(2)] == [True, False]


def test_when_the_time_is_over_all_are_let_through() -> None:
    desk = Desk()
    desk.open()
    desk.refuse(retry_after_s=None)
    assert not desk.open()
    desk.clock.now_s += 1.0
    assert all(desk.open() for _ in range(100))


def test_other_accounts_and_models_have_their_own_room() -> None:
    desk = Desk()
    desk.refuse()
    assert not desk.open()
    assert desk.open(account="other")
    assert desk.open(model="@other/model")


def test_another_failure_says_nothing_of_room() -> None:
    desk = Desk()
    with pytest.raises(AiError), desk.room.taken("acc", MODEL):
        raise AiError("MODEL_NOT_READY")
    assert desk.open()


def test_nothing_is_remembered_of_calls_that_have_ended() -> None:
    desk = Desk()
    for number in range(10):
        desk.open(account=str(number))
    assert desk.room.num_remembered == 10
    while desk.calls:
        desk.end()
    assert desk.room.num_remembered == 0


def test_of_a_flood_of_accounts_only_so_many_are_remembered() -> None:
    desk = Desk()
    for number in range(3 * MAX_REMEMBERED):
        desk.refuse(account=str(number))
    assert desk.room.num_remembered <= MAX_REMEMBERED


@given(st.lists(st.sampled_from(["ask", "end", "refuse", "wait"]), max_size=60))
def test_whoever_comes_when_nothing_is_open_is_let_through_within_the_period(actions: list[str]) -> None:
    desk = Desk()
    for action in actions:
        match action:
            case "ask":
                desk.open()
            case "end" if desk.calls:
                desk.end()
            case "refuse":
                with contextlib.suppress(AiError), desk.room.taken("acc", MODEL):
                    raise AiError("QUEUE_FULL", retry_after_s=math.inf)
            case "wait":
                desk.clock.now_s += PROBE_PERIOD_S / 3
    while desk.calls:
        desk.end()
    desk.clock.now_s += PROBE_PERIOD_S
    assert desk.open()
