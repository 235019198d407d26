"""The limits of a request's token as the service tells them: told to the client, and remembered when used up."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from bridge.errors import AiError
from bridge.http.access_log import ACCESS

MAX_REMEMBERED: Final = 4096

_REMAINING: Final = "x-ratelimit-remaining-"

Key = tuple[str, str]
"""An account and the name of its token."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    description: str
    headers: Mapping[str, str]
    until_s: float


class UsedUp:
    """The tokens that may ask for nothing more until a time that the service has told.

    Args:
        clock: Tells the time, in seconds.
        max_remembered: Of how many tokens it remembers that at most.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_remembered: int = MAX_REMEMBERED) -> None:
        self._clock = clock
        self._max_remembered = max_remembered
        self._refusals: dict[Key, _Refusal] = {}

    @property
    def num_remembered(self) -> int:
        """Of how many tokens it remembers that."""
        return len(self._refusals)

    def check(self, http_request: web.Request) -> None:
        """Refuses a request, of which nothing but its token is known, as the service would.

        Raises:
            AiError: Its token has asked for as much as it may.
        """
        access = http_request[ACCESS]
        key = access.account, access.token
        refusal = self._refusals.get(key)
        if refusal is None:
            return
        wait_s = refusal.until_s - self._clock()
        if wait_s <= 0:
            del self._refusals[key]
            return
        access.rate_limits.update(refusal.headers)
        raise AiError("RATE_LIMITED", refusal.description, wait_s)

    @contextmanager
    def noted(self, http_request: web.Request) -> Iterator[dict[str, str]]:
        """Holds a call, and gives what is to be filled with what the service tells. Remembers what is used up.

        A refusal for streams at the same time is not remembered: it is over as soon as one of them ends.
        """
        access = http_request[ACCESS]
        told = access.rate_limits
        try:
            yield told
        except AiError as error:
            left = {name: value for name, value in told.items() if not name.startswith("x-ratelimit-reset-")}
            is_used_up = "0" in [value for name, value in left.items() if name.startswith(_REMAINING)]
            if error.reason == "RATE_LIMITED" and is_used_up and error.retry_after_s:
                self._forget_those_over()
                until_s = self._clock() + error.retry_after_s
                self._refusals[access.account, access.token] = _Refusal(error.description, left, until_s)
            raise

    def _forget_those_over(self) -> None:
        """Makes room for one more; of too many the oldest goes."""
        if len(self._refusals) < self._max_remembered:
            return
        now_s = self._clock()
        self._refusals = {key: refusal for key, refusal in self._refusals.items() if refusal.until_s > now_s}
        if len(self._refusals) >= self._max_remembered:
            del self._refusals[next(iter(self._refusals))]


USED_UP = web.AppKey("used_up", UsedUp)
