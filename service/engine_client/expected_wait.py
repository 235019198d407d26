"""How long a request would wait for an engine: the work before it, over the rate at which the engine does such work.

Only numbers: nothing here knows of processes or asks a clock. Work is counted in tokens to be generated. A token of a
prompt counts as a part of one.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

PROMPT_TOKEN_COST = 0.25
"""What a prompt's token costs beside a generated one: many are computed in one step. Reasoned, not measured. While all
requests are alike, any figure gives the same wait, for it stands in the work and in the rate."""

MEMORY_S = 10.0
"""After so many seconds of full work, what was measured before counts a third."""

FORGET_S = 60.0
"""A rate that was measured longer ago belongs to another load."""

LEAST_MEASURED_S = 1.0
"""Before it was full for so long, an engine's rate is not known."""

USED_PART = 0.75
"""The part of the time that a request may wait which is used up by those before it."""

_KEPT_BY_END = 0.98


class EngineRate:
    """Measures how fast an engine works while it is full. What it does while nobody waits is no capacity.

    Attributes:
        num_tokens_generated, num_ends: What the mean length of completions is made of; older ones count less.
    """

    def __init__(self) -> None:
        self._was_full = False
        self._noted_at_s = -math.inf
        self._full_at_s = -math.inf
        self._full_s = 0.0
        self._num_tokens = 0.0
        self.num_tokens_generated = 0.0
        self.num_ends = 0.0

    @property
    def tokens_per_s(self) -> float | None:
        """The rate; None while it is not known."""
        if self._full_s < LEAST_MEASURED_S or not self._num_tokens:
            return None
        return self._num_tokens / self._full_s

    @property
    def mean_completion(self) -> float:
        """The mean length of completions in tokens, also of those that were left; infinite until one has ended."""
        return self.num_tokens_generated / self.num_ends if self.num_ends else math.inf

    def note(self, now_s: float, num_generated: int, num_prompt_tokens: int, num_ends: int, *, is_full: bool) -> None:
        """Takes what a step did.

        Args:
            now_s: The time.
            num_generated: How many tokens it generated.
            num_prompt_tokens: How many tokens of prompts it computed.
            num_ends: How many completions it ended.
            is_full: Whether requests wait behind it.
        """
        if self._was_full:
            passed_s = now_s - self._noted_at_s
            kept = math.exp(-passed_s / MEMORY_S)
            self._full_s = self._full_s * kept + passed_s
            self._num_tokens = self._num_tokens * kept + num_generated + PROMPT_TOKEN_COST * num_prompt_tokens
        if is_full:
            if now_s - self._full_at_s > FORGET_S:
                self._full_s = self._num_tokens = 0.0
            self._full_at_s = now_s
        self._was_full, self._noted_at_s = is_full, now_s
        kept = _KEPT_BY_END**num_ends
        self.num_tokens_generated = self.num_tokens_generated * kept + num_generated
        self.num_ends = self.num_ends * kept + num_ends

    def pause(self) -> None:
        """Takes note that the engine does nothing until the next step: it was started again."""
        self._was_full = False

    def tokens_left(self, max_tokens: int, num_generated: int = 0) -> float:
        """How many tokens a completion is expected to have still."""
        mean = self.mean_completion
        return min(max_tokens - num_generated, max(mean - num_generated, mean / 4))


@dataclass(slots=True)
class Backlog:
    """The work that an engine has.

    Attributes:
        num_running: How many requests it has begun.
        running: What is left of them, in tokens.
        num_waiting: How many others there are.
        waiting: What those of each account are, in tokens.
        is_full: Whether one more would have to wait.
    """

    num_running: int = 0
    running: float = 0.0
    num_waiting: int = 0
    waiting: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    is_full: bool = False

    def before(self, account: str, num_tokens: float) -> float:
        """The work before a request: accounts run in turn, so of another it is no more than the account's own."""
        own = self.waiting.get(account, 0.0)
        others = (work for name, work in self.waiting.items() if name != account)
        return self.running + own + sum(min(work, own + num_tokens) for work in others)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a request can expect.

    Attributes:
        wait_s: How long it waits until the engine begins it, in seconds.
        run_s: How long it takes then.
    """

    wait_s: float
    run_s: float

    def excess_s(self, time_left_s: float) -> float:
        """By how much the wait is too long for an answer within a time; below 0 if it is not.

        A part of the time is kept back, for the figures are estimates.
        """
        return self.wait_s - USED_PART * max(0.0, time_left_s - self.run_s)


NOTHING = Expected(0.0, 0.0)


def expect(rate: EngineRate, backlog: Backlog, account: str, max_tokens: int, num_prompt_tokens: int) -> Expected:
    """What a request can expect of an engine that is full; nothing is expected while its rate is not known."""
    tokens_per_s = rate.tokens_per_s
    if tokens_per_s is None:
        return NOTHING
    num_places = max(1, backlog.num_running)
    own = rate.tokens_left(max_tokens)
    prompt = PROMPT_TOKEN_COST * num_prompt_tokens
    # When its turn comes, the others that run are in the middle of their completions.
    left_then = (num_places - 1) * min(rate.mean_completion / 2, backlog.running / num_places)
    before = max(0.0, backlog.before(account, own + prompt) - left_then)
    return Expected(before / tokens_per_s, (own * num_places + prompt) / tokens_per_s)


Clock = Callable[[], float]
