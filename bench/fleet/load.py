"""Who asks: requests of conversations that go on, as many in an hour as wanted."""

from collections import deque
from dataclasses import dataclass

import numpy as np


@dataclass(slots=True)
class Request:
    """One request and what became of it; times in seconds of the simulation.

    Attributes:
        session: The conversation that it belongs to.
        num_prompt_tokens: Its prompt, all earlier turns included.
        num_completion_tokens: Its answer.
        arrived_s: When it came.
        first_token_s: When it got its first token; negative before.
        finished_s: When it got its last one; negative before.
        num_cached_tokens: Tokens of the prompt that the replica had in its prefix cache.
        num_retries: How often it was sent to another replica before its first token.
        is_failed: Whether it was cut off.
    """

    session: int
    num_prompt_tokens: int
    num_completion_tokens: int
    arrived_s: float
    first_token_s: float = -1.0
    finished_s: float = -1.0
    num_cached_tokens: int = 0
    num_retries: int = 0
    is_failed: bool = False

    @property
    def ttft_s(self) -> float:
        """Time to the first token."""
        return self.first_token_s - self.arrived_s

    @property
    def inter_token_s(self) -> float:
        """The mean time between tokens."""
        return (self.finished_s - self.first_token_s) / max(1, self.num_completion_tokens - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What requests are like.

    Attributes:
        median_new_tokens: What a turn adds to the prompt; log-normal.
        median_completion_tokens: Answers; log-normal.
        spread: The standard deviation of both lengths' logarithms.
        continued: The part of the answers that the conversation goes on after.
        think_s: The time from an answer to the conversation's next request, at least.
        num_system_tokens: The beginning that a conversation's first prompt has for itself.
        max_context_tokens: Conversations end before they have more.
    """

    median_new_tokens: int = 150
    median_completion_tokens: int = 200
    spread: float = 0.8
    continued: float = 0.7
    think_s: float = 10.0
    num_system_tokens: int = 400
    max_context_tokens: int = 8000


class Conversations:
    """Makes requests; a finished one may be gone on with.

    Args:
        traffic: What they are like.
        seed: What the random numbers begin with.
    """

    def __init__(self, traffic: Traffic, seed: int) -> None:
        self._traffic = traffic
        self.random = np.random.default_rng(seed)
        self._finished: deque[Request] = deque()
        self._num_sessions = 0
        self._is_any_due = False

    def next(self, now_s: float) -> Request:
        """The request that comes now: of the conversation that is due longest, or of a new one if none is.

        Until one is due, conversations go on that began before the simulation, so that prompts are as long as later.
        """
        traffic = self._traffic
        num_new = self._length(traffic.median_new_tokens)
        num_completion = self._length(traffic.median_completion_tokens)
        if self._finished and self._finished[0].finished_s + traffic.think_s <= now_s:
            self._is_any_due = True
            before = self._finished.popleft()
            session = before.session
            num_prompt = before.num_prompt_tokens + before.num_completion_tokens + num_new
        else:
            session, self._num_sessions = self._num_sessions, self._num_sessions + 1
            num_prompt = traffic.num_system_tokens + num_new + self._num_tokens_before()
        return Request(session, num_prompt, num_completion, now_s)

    def _num_tokens_before(self) -> int:
        num_tokens, traffic = 0, self._traffic
        while not self._is_any_due and self.random.random() < traffic.continued:
            num_tokens += self._length(traffic.median_new_tokens) + self._length(traffic.median_completion_tokens)
        most = traffic.max_context_tokens - traffic.num_system_tokens
        return min(num_tokens, most)

    def finish(self, request: Request) -> None:
        """Lets a request be gone on with, by chance, if its conversation is not too long."""
        traffic = self._traffic
        is_short = request.num_prompt_tokens + request.num_completion_tokens < traffic.max_context_tokens
        if is_short and self.random.random() < traffic.continued:
            self._finished.append(request)

    def wait_s(self, requests_per_s: float) -> float:
        """The time until the next request; they come at random."""
        return float(self.random.exponential(1 / requests_per_s))

    def _length(self, median: int) -> int:
        return max(1, int(self.random.lognormal(np.log(median), self._traffic.spread)))
