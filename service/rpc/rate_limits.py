"""Counts what each token has asked for in the last minute, and says whether it may ask for more."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from accounts.limits import Limits
from service.errors import RateLimitedError

WINDOW_S: Final = 60

# Of those that ask for nothing the longest-known is forgotten first, and what it has asked for with it.
MAX_REMEMBERED: Final = 65_536
# The batches whose items' tokens are still charged.
MAX_BATCHES: Final = 16_384

Key = tuple[str, str]
"""An account and the name of its token."""

Metadata = tuple[tuple[str, str], ...]


class Window:
    """A sum over the last minute, to a second: what a second had counts until 60 s after its end."""

    def __init__(self) -> None:
        self.total = 0
        self._seconds: deque[tuple[int, int]] = deque()  # a second and what it had, at most 61

    def forget(self, now_s: float) -> None:
        """Drops what is over."""
        while self._seconds and self._seconds[0][0] < math.floor(now_s) - WINDOW_S:
            self.total -= self._seconds.popleft()[1]

    def add(self, amount: int, now_s: float) -> None:
        """Adds to this second."""
        second = math.floor(now_s)
        if self._seconds and self._seconds[-1][0] == second:
            amount_before = self._seconds.pop()[1]
            self._seconds.append((second, amount_before + amount))
        else:
            self._seconds.append((second, amount))
        self.total += amount

    def free_after_s(self, limit: int, now_s: float) -> float:
        """In how many seconds less than a limit is in it, if nothing is added."""
        left, until = self.total, now_s
        for second, amount in self._seconds:
            if left < limit:
                break
            left, until = left - amount, float(second + WINDOW_S + 1)
        return until - now_s


class Use:
    """The amount that a token asks for.

    Args:
        key: Whose it is.
        clock: Tells the time, in seconds.
    """

    def __init__(self, key: Key, clock: Callable[[], float]) -> None:
        self._name = key[1]
        self._clock = clock
        self._limits = Limits()
        self.num_running = 0
        self.requests = Window()
        self.tokens = Window()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to remember."""
        self._forget()
        return not (self.num_running or self.requests.total or self.tokens.total)

    def check(self, limits: Limits, *, is_stream: bool) -> None:
        """Counts a request, and takes note of the limits that hold now.

        Raises:
            RateLimitedError: It is one too many.
        """
        self._limits = limits
        now_s = self._forget()
        if is_stream and limits.concurrent_streams and self.num_running >= limits.concurrent_streams:
            raise self._refusal("concurrent-streams", limits.concurrent_streams, 1.0)
        for name, window, limit in self._windows():
            if limit and window.total >= limit:
                raise self._refusal(f"{name}-per-minute", limit, window.free_after_s(limit, now_s))
        self.requests.add(1, now_s)

    def charge(self, num_tokens: int) -> None:
        """Counts tokens of a prompt or a completion, also those beyond the limit."""
        if self._limits.tokens_per_minute:
            self.tokens.add(num_tokens, self._forget())

    def told(self) -> Metadata:
        """The limits, what is left of them, and when they are whole again, by the names of OpenAI's headers."""
        now_s = self._forget()
        told: list[tuple[str, str]] = []
        for name, window, limit in self._windows():
            if limit:
                told += [
                    (f"x-ratelimit-limit-{name}", str(limit)),
                    (f"x-ratelimit-remaining-{name}", str(max(0, limit - window.total))),
                    (f"x-ratelimit-reset-{name}", f"{math.ceil(window.free_after_s(1, now_s))}s"),
                ]
        return tuple(told)

    def _windows(self) -> tuple[tuple[str, Window, int | None], ...]:
        limits = self._limits
        return (
            ("requests", self.requests, limits.requests_per_minute),
            ("tokens", self.tokens, limits.tokens_per_minute),
        )

    def _forget(self) -> float:
        now_s = self._clock()
        self.requests.forget(now_s)
        self.tokens.forget(now_s)
        return now_s

    def _refusal(self, limit_name: str, limit: int, wait_s: float) -> RateLimitedError:
        whose = f"the token {self._name!r}" if self._name else "the account"
        what = f"{limit} {limit_name.replace('-', ' ')}"
        message = f"{whose} has used up its {what}: ask again later, or for a higher limit"
        error = RateLimitedError(message, max(1, math.ceil(wait_s)), limit=limit_name, max=limit)
        error.trailing_metadata = self.told()
        return error


class RateLimits:
    """The limits of all tokens.

    Args:
        defaults: What holds for a token where its own limits say nothing.
        clock: Tells the time, in seconds, and is never set.
        max_remembered: Of how many tokens it remembers what they have asked for at most.
    """

    def __init__(
        self,
        defaults: Limits,
        clock: Callable[[], float] = time.monotonic,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        self._max_remembered = max_remembered
        self._defaults = defaults
        self._clock = clock
        self._uses: dict[Key, Use] = {}
        self._batches: dict[str, Use] = {}

    @property
    def num_remembered(self) -> int:
        """Of how many tokens it remembers what they have asked for."""
        return len(self._uses)

    def count(self, key: Key, limits: Limits) -> Use:
        """Counts a request that is no stream, such as a batch, which is one however many items it has.

        Raises:
            RateLimitedError: It is one too many.
        """
        return self._checked(key, limits, is_stream=False)

    @contextmanager
    def running(self, key: Key, limits: Limits) -> Iterator[Use]:
        """Counts a request, whose completion runs as long as the body.

        Raises:
            RateLimitedError: It is one too many.
        """
        use = self._checked(key, limits, is_stream=True)
        use.num_running += 1
        try:
            yield use
        finally:
            use.num_running -= 1

    def note_batch(self, batch_id: str, use: Use) -> None:
        """Has the tokens of a batch's items charged, by this process."""
        self._batches[batch_id] = use
        if len(self._batches) > MAX_BATCHES:
            del self._batches[next(iter(self._batches))]

    def charge_batch(self, batch_id: str, num_tokens: int) -> None:
        """Counts tokens of an item of a batch."""
        if use := self._batches.get(batch_id):
            use.charge(num_tokens)

    def _checked(self, key: Key, limits: Limits, *, is_stream: bool) -> Use:
        limits = limits.over(self._defaults)
        if not any(limits.values()):
            return Use(key, self._clock)  # of which nobody needs to know later
        use = self._uses.get(key) or Use(key, self._clock)
        use.check(limits, is_stream=is_stream)
        if key not in self._uses:
            self._make_room()
            self._uses[key] = use
        return use

    def _make_room(self) -> None:
        """Forgets who has asked for nothing in the last minute, once there are many; of far too many, the oldest."""
        if len(self._uses) >= self._max_remembered:
            self._uses = {key: use for key, use in self._uses.items() if not use.is_idle}
        if len(self._uses) >= self._max_remembered:
            oldest = next((key for key, use in self._uses.items() if not use.num_running), None)
            if oldest is not None:
                del self._uses[oldest]
