"""Who is let in to wait for an engine, by what is before it and when it must be answered."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine_client.admission import Admission
from service.engine_client.process import EngineProcess
from service.engine_client.request import QueueBounds, Request
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import StepOutput, StepResult, Submit
from service.engine_protocol.sampling_params import FinishReason, Priority, SamplingParams
from service.errors import DeadlineExceededError, QueueFullError, RunstreamError
from tests.support.engine_states import until

NUM_PLACES = 4
LENGTH = 20
STEP_S = 0.05
TOKENS_PER_S = NUM_PLACES / STEP_S


class Desk:
    """The admission of an engine that a test plays."""

    def __init__(self, max_waiting: int = 1000, max_wait_s: float = math.inf) -> None:
        self.now_s = 100.0
        self.requests: dict[str, Request] = {}
        bounds = QueueBounds(NUM_PLACES, max_waiting, 1 << 20)
        self.admission = Admission(bounds, max_wait_s, self.requests, lambda: self.now_s)

    def submit(self, max_tokens: int = LENGTH, **fields: Any) -> Submit:
        return Submit(str(len(self.requests)), [7], SamplingParams(max_tokens), **fields)

    def hold(self, num_running: int, num_waiting: int, **fields: Any) -> None:
        """Lets the engine have some requests."""
        for number in range(num_running + num_waiting):
            submit = self.submit(**fields)
            self.requests[submit.id] = Request(submit, has_started=number < num_running)

    def step(self, num_waiting: int, num_ends: int = 0, seconds: float = STEP_S) -> None:
        """Lets the engine make a step with a token for each place."""
        self.now_s += seconds
        reasons = [FinishReason.LENGTH] * num_ends + [None] * (NUM_PLACES - num_ends)
        outputs = [StepOutput("it", 7, reason) for reason in reasons]
        self.admission.note(StepResult(outputs, num_waiting=num_waiting))

    def warm_up(self) -> None:
        """Lets it be full for a while."""
        for number in range(100):
            self.step(num_waiting=1, num_ends=int(number % 5 == 4))

    def is_taken(self, time_left_s: float, **fields: Any) -> bool:
        try:
            self.admission.check(self.submit(**fields), self.now_s + time_left_s)
        except QueueFullError:
            return False
        return True


def test_one_that_would_be_late_is_refused_and_told_when_to_come_again() -> None:
    desk = Desk()
    desk.warm_up()
    desk.hold(num_running=NUM_PLACES, num_waiting=40)
    wait_s = (40 + NUM_PLACES / 2) * LENGTH / TOKENS_PER_S
    with pytest.raises(QueueFullError, match=r"would wait for about 1\d\.\d s behind 44 others.*in 5\.0 s") as caught:
        desk.admission.check(desk.submit(), desk.now_s + 5.0)
    assert caught.value.retry_after_s == pytest.approx(wait_s - 0.75 * 4, abs=2)
    assert desk.is_taken(time_left_s=60.0)


def test_with_no_deadline_the_longest_wait_counts() -> None:
    desk = Desk(max_wait_s=5.0)
    desk.warm_up()
    desk.hold(num_running=NUM_PLACES, num_waiting=10)
    assert desk.is_taken(math.inf)
    desk.hold(num_running=0, num_waiting=40)
    with pytest.raises(QueueFullError, match=r"none may wait longer than 5 s \(max_wait_s\)"):
        desk.admission.check(desk.submit())


@given(st.floats(1e-3, 1e3), st.integers(0, NUM_PLACES - 1), st.integers(1, 100), st.floats(0, 10))
def test_nobody_is_refused_while_a_place_is_free(
    step_s: float, num_running: int, num_steps: int, time_left_s: float
) -> None:
    desk = Desk()
    for _ in range(num_steps):  # however slow it is, and whatever it was measured at when it was full
        desk.step(num_waiting=1, num_ends=1, seconds=step_s)
    desk.step(num_waiting=0, num_ends=1, seconds=step_s)
    desk.hold(num_running=num_running, num_waiting=0)
    assert desk.is_taken(time_left_s)


def test_after_one_slow_request_nobody_is_refused() -> None:
    desk = Desk()
    desk.step(num_waiting=0, seconds=30.0)
    desk.step(num_waiting=0, num_ends=1, seconds=30.0)
    desk.hold(num_running=NUM_PLACES, num_waiting=100)
    assert desk.is_taken(time_left_s=0.1)


def test_before_anything_is_measured_the_bounds_by_number_hold() -> None:
    desk = Desk(max_waiting=10)
    desk.hold(num_running=NUM_PLACES, num_waiting=9)
    assert desk.is_taken(time_left_s=0.1)
    desk.hold(num_running=0, num_waiting=1)
    assert not desk.is_taken(time_left_s=1000.0)


def test_a_flood_of_one_account_keeps_no_other_out() -> None:
    desk = Desk()
    desk.warm_up()
    desk.hold(num_running=NUM_PLACES, num_waiting=40, account="flood")
    assert not desk.is_taken(5.0, account="flood")
    assert desk.is_taken(5.0, account="other")


def test_batch_requests_are_neither_refused_for_their_wait_nor_counted() -> None:
    desk = Desk()
    desk.warm_up()
    desk.hold(num_running=0, num_waiting=100, priority=Priority.BATCH)
    assert desk.is_taken(0.1)
    desk.hold(num_running=NUM_PLACES, num_waiting=40)
    assert desk.is_taken(0.1, priority=Priority.BATCH)
    assert desk.admission.begun_by_s(desk.submit(priority=Priority.BATCH), desk.now_s + 0.1) == math.inf


def test_room_is_refused_only_if_the_smallest_request_would_be() -> None:
    desk = Desk()
    desk.warm_up()
    desk.hold(num_running=NUM_PLACES, num_waiting=40)
    desk.admission.check_room("", desk.now_s + 60.0)
    with pytest.raises(QueueFullError):
        desk.admission.check_room("", desk.now_s + 5.0)


def test_a_request_must_begin_early_enough_for_its_answer_to_end() -> None:
    desk = Desk(max_wait_s=30.0)
    assert desk.admission.begun_by_s(desk.submit(), desk.now_s + 10.0) == desk.now_s + 10.0
    desk.warm_up()
    desk.hold(num_running=NUM_PLACES, num_waiting=1)
    run_s = LENGTH * STEP_S
    assert desk.admission.begun_by_s(desk.submit(), desk.now_s + 10.0) == pytest.approx(
        desk.now_s + 10.0 - run_s, abs=0.05
    )
    assert desk.admission.begun_by_s(desk.submit(), desk.now_s + 100.0) == desk.now_s + 30.0
    # Nobody knows that it won't be shorter than others.
    assert desk.admission.begun_by_s(desk.submit(), desk.now_s + 0.5) == desk.now_s + 0.5


@pytest.mark.parametrize(
    ("max_wait_s", "timeout_s", "error"),
    [(0.2, math.inf, QueueFullError), (math.inf, 0.2, DeadlineExceededError), (math.inf, -1.0, DeadlineExceededError)],
)
@pytest.mark.asyncio
async def test_one_that_waits_for_too_long_is_dropped_and_never_runs(
    checkpoint: Callable[[str], Path], max_wait_s: float, timeout_s: float, error: type[RunstreamError]
) -> None:
    config = EngineConfig(checkpoint("llama"), kv_cache_memory_mib=8, num_threads=1, max_num_seqs=1)
    process = EngineProcess(config, 64, 1000, 30, 0, max_wait_s=max_wait_s)
    await process.start()
    await process.wait_until_ready()
    running = process.generate(Submit("long", [5, 6, 7], SamplingParams(900)))
    await anext(running)
    deadline_s = asyncio.get_running_loop().time() + timeout_s
    with pytest.raises(error, match=r"beg[ai]n the request"):
        await anext(process.generate(Submit("late", [5, 6, 7], SamplingParams(20)), deadline_s=deadline_s))
    await running.aclose()
    await until(process, lambda: "long" in process.stats.aborted)
    assert process.stats.num_running == process.stats.num_waiting == 0
    await process.stop()
