"""What a request can expect of an engine, compared with a simulated one whose steps all take the same time."""

import math
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from service.engine_client.expected_wait import FORGET_S, NOTHING, Backlog, EngineRate, expect

STEP_S = 0.02


def full_rate(num_tokens: int = 4, steps: int = 200, length: int = 20) -> EngineRate:
    """The rate of an engine that was full for some seconds."""
    rate = EngineRate()
    for step in range(steps):
        rate.note(step * STEP_S, num_tokens, 0, step * num_tokens // length % 2, is_full=True)
    return rate


class SimulatedEngine:
    """Places for some sequences at once; each gets a token in every step."""

    def __init__(self, num_places: int) -> None:
        self.num_places = num_places
        self.rate = EngineRate()
        self.running: dict[int, int] = {}
        self.waiting: deque[tuple[int, int]] = deque()
        self.started_at_step: dict[int, int] = {}
        self.num_steps = 0

    def step(self) -> None:
        """Admits, generates and tells of it."""
        while self.waiting and len(self.running) < self.num_places:
            number, length = self.waiting.popleft()
            self.running[number] = length
            self.started_at_step[number] = self.num_steps
        num_tokens, self.num_steps = len(self.running), self.num_steps + 1
        self.running = {number: left - 1 for number, left in self.running.items()}
        ended = [number for number, left in self.running.items() if not left]
        for number in ended:
            del self.running[number]
        self.rate.note(self.num_steps * STEP_S, num_tokens, 0, len(ended), is_full=bool(self.waiting))

    def backlog(self, max_tokens: int) -> Backlog:
        """What its edge knows: not when completions end."""
        each = self.rate.tokens_left(max_tokens)
        backlog = Backlog(len(self.running), each / 2 * len(self.running), len(self.waiting), is_full=True)
        backlog.waiting[""] = each * len(self.waiting)
        return backlog


def test_nothing_is_expected_of_an_engine_that_was_never_full() -> None:
    rate = EngineRate()
    for step in range(1000):
        rate.note(step * 5.0, 1, 100, 1, is_full=False)
    assert rate.tokens_per_s is None
    assert expect(rate, Backlog(4, 400.0, 100, is_full=True), "", 100, 1000) == NOTHING


@given(st.floats(0.1, 1e6), st.integers(0, 3))
def test_what_an_engine_does_while_nobody_waits_is_no_capacity(pause_s: float, num_tokens: int) -> None:
    rate = full_rate()
    before = rate.tokens_per_s
    rate.note(4.0, 4, 0, 0, is_full=False)
    rate.note(4.0 + pause_s, num_tokens, 0, 0, is_full=False)
    assert before is not None
    assert rate.tokens_per_s is not None
    assert math.isclose(rate.tokens_per_s, before, rel_tol=0.02)


def test_a_rate_of_long_ago_is_forgotten() -> None:
    rate = full_rate()
    rate.note(4.0, 4, 0, 0, is_full=False)
    rate.note(4.0 + FORGET_S + 1, 4, 0, 0, is_full=True)
    assert rate.tokens_per_s is None


def test_the_time_in_which_an_engine_was_started_again_does_not_count() -> None:
    rate = full_rate()
    before = rate.tokens_per_s
    rate.pause()
    rate.note(50.0, 0, 0, 0, is_full=True)
    assert rate.tokens_per_s == before


@given(st.integers(1, 32), st.integers(8, 200), st.integers(0, 60), st.randoms(use_true_random=False))
def test_the_expected_wait_is_about_what_the_wait_is(places: int, mean: int, num_more: int, chance) -> None:
    engine = SimulatedEngine(places)
    numbers = iter(range(1 << 30))
    # Some rounds of a queue that is always filled up.
    while engine.num_steps < 100 or engine.rate.num_ends < 20:
        while len(engine.waiting) < places + num_more:
            engine.waiting.append((next(numbers), chance.randint(mean // 2, mean * 3 // 2)))
        engine.step()
    mine = next(numbers)
    expected = expect(engine.rate, engine.backlog(2 * mean), "", 2 * mean, 0)
    engine.waiting.append((mine, mean))
    asked_at_step = engine.num_steps
    while mine not in engine.started_at_step:
        engine.step()
    wait_s = (engine.started_at_step[mine] - asked_at_step) * STEP_S
    # Off by at most a completion, and what chance makes of the lengths.
    assert abs(expected.wait_s - wait_s) <= 0.35 * wait_s + 1.1 * mean * STEP_S


@given(st.lists(st.integers(1, 500), min_size=1, max_size=8), st.integers(1, 100))
def test_an_account_that_has_nothing_waiting_waits_for_one_turn_of_each_other(works: list[int], own: int) -> None:
    backlog = Backlog()
    for number, work in enumerate(works):
        backlog.waiting[f"account {number}"] = work
    assert backlog.before("newcomer", own) <= own * len(works)
    assert backlog.before("account 0", own) >= works[0]


def test_completions_that_were_left_count_with_what_they_had() -> None:
    rate = EngineRate()
    for step in range(400):  # of four sequences only every second comes to its end, at 20 tokens
        rate.note(step * STEP_S, 4, 0, int(step % 10 == 0), is_full=True)
    assert 35 < rate.mean_completion < 45
    assert rate.tokens_left(20) == 20
    assert rate.tokens_left(20, 15) == 5
