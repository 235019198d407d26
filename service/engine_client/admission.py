"""Which requests may wait for an engine, and for how long."""

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Final

from service.engine_client.expected_wait import PROMPT_TOKEN_COST, Backlog, Clock, EngineRate, Expected, expect
from service.engine_client.request import QueueBounds, Request
from service.engine_protocol.messages import StepResult, Submit
from service.engine_protocol.sampling_params import Priority
from service.errors import DeadlineExceededError, QueueFullError, RunstreamError

MAX_RETRY_AFTER_S: Final = 60

# So a flood of refusals counts what waits a few dozen times each second only.
_BACKLOG_FRESH_S = 0.02


class Admission:
    """Admits requests to the queue of one engine.

    Requests of PRIORITY_BATCH run with what others leave, so only the bounds by number are theirs. Nobody says when.

    Args:
        bounds: How much may wait, by number.
        max_wait_s: For how long a request may wait; infinite for as long as its deadline allows.
        requests: Those of the engine that have not ended, by id.
        clock: Tells the time of deadlines, in seconds.
    """

    def __init__(
        self, bounds: QueueBounds, max_wait_s: float, requests: Mapping[str, Request], clock: Clock = time.monotonic
    ) -> None:
        self._bounds = bounds
        self._max_wait_s = max_wait_s
        self._requests = requests
        self._clock = clock
        self._rate = EngineRate()
        self._num_waiting = 0
        self._backlog, self._counted_at_s = Backlog(), -math.inf

    def check(self, submit: Submit, deadline_s: float = math.inf) -> None:
        """Refuses a request that would wait behind too many, or could not be answered in time.

        Args:
            submit: The request.
            deadline_s: When its answer must have ended, on the clock.

        Raises:
            QueueFullError: It is refused.
        """
        if submit.priority is Priority.ONLINE:
            self._check_wait(self._expect(submit), deadline_s)
        self._bounds.check(submit, self._requests.values())
        self._counted_at_s = -math.inf

    def check_room(self, account: str, deadline_s: float = math.inf) -> None:
        """Refuses an online request of which only this is known, if any like it would be refused.

        Raises:
            QueueFullError: It is refused.
        """
        self._check_wait(self._expect_of(account, max_tokens=1, num_prompt_tokens=0), deadline_s)

    def drop_when_late(self, request: Request, deadline_s: float = math.inf) -> asyncio.TimerHandle:
        """Ends a request if the engine has not begun it when it must have: with QueueFullError, or at its deadline.

        Args:
            request: It was let in just now.
            deadline_s: When its answer must have ended, on the event loop's clock.

        Returns:
            What takes that back.
        """
        begun_by_s = self.begun_by_s(request.submit, deadline_s)
        error: RunstreamError = QueueFullError(
            "The engine was too busy to begin the request in time. Try again shortly."
        )
        if begun_by_s == deadline_s:
            error = DeadlineExceededError("The deadline passed before the engine began the request.")
        return asyncio.get_running_loop().call_at(begun_by_s, _drop, request, error)

    def begun_by_s(self, submit: Submit, deadline_s: float = math.inf) -> float:
        """When the engine must have begun a request, on the clock: later it can't be in time any more."""
        if submit.priority is not Priority.ONLINE:
            return math.inf
        now_s = self._clock()
        run_s = self._expect(submit).run_s
        can_be_in_time = now_s + run_s < deadline_s
        return min(now_s + self._max_wait_s, deadline_s - run_s if can_be_in_time else deadline_s)

    def note(self, result: StepResult) -> None:
        """Takes what the engine tells of a step, and how it stands."""
        self._num_waiting = result.num_waiting
        self._rate.note(
            self._clock(),
            len(result.outputs),
            result.num_prompt_tokens,
            sum(output.finish_reason is not None for output in result.outputs),
            is_full=result.num_waiting > 0,
        )

    def restart(self) -> None:
        """Takes note that another process does the engine's work from now on."""
        self._num_waiting = 0
        self._rate.pause()

    def _expect(self, submit: Submit) -> Expected:
        return self._expect_of(submit.account, submit.params.max_tokens, len(submit.prompt_token_ids))

    def _expect_of(self, account: str, max_tokens: int, num_prompt_tokens: int) -> Expected:
        now_s = self._clock()
        if now_s - self._counted_at_s > _BACKLOG_FRESH_S:
            self._backlog, self._counted_at_s = self._count(), now_s
        return expect(self._rate, self._backlog, account, max_tokens, num_prompt_tokens)

    def _count(self) -> Backlog:
        backlog, num_giving_way = Backlog(), 0
        for request in self._requests.values():
            submit = request.submit
            if submit.priority is not Priority.ONLINE:
                num_giving_way += not request.has_started
                continue
            left = self._rate.tokens_left(submit.params.max_tokens, request.num_tokens)
            if not request.num_tokens:
                left += PROMPT_TOKEN_COST * len(submit.prompt_token_ids)
            if request.has_started:
                backlog.num_running += 1
                backlog.running += left
            else:
                backlog.num_waiting += 1
                backlog.waiting[submit.account] += left
        has_places = backlog.num_running + backlog.num_waiting < self._bounds.max_num_seqs
        backlog.is_full = not has_places or self._num_waiting > num_giving_way
        return backlog

    def _check_wait(self, expected: Expected, deadline_s: float) -> None:
        if not self._backlog.is_full or not expected.wait_s:
            return
        time_left_s = deadline_s - self._clock()
        excess_s = max(expected.excess_s(time_left_s), expected.wait_s - self._max_wait_s)
        if excess_s <= 0:
            return
        retry_after_s = max(1, min(MAX_RETRY_AFTER_S, math.ceil(excess_s)))
        wait_s, num_before = f"{expected.wait_s:.1f}", self._backlog.num_running + self._backlog.num_waiting
        limit = (
            f"its deadline is in {time_left_s:.1f} s"
            if excess_s > expected.wait_s - self._max_wait_s
            else (f"none may wait longer than {self._max_wait_s:g} s (max_wait_s)")
        )
        raise QueueFullError(
            f"The request would wait for about {wait_s} s behind {num_before} others, and {limit}. "
            f"Try again in {retry_after_s} s.",
            retry_after_s,
            expected_wait_s=wait_s,
        )


def _drop(request: Request, error: RunstreamError) -> None:
    if not request.has_started:
        request.fail(error)
