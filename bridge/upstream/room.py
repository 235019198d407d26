"""Remembers where the service has no room, and refuses there what it would refuse, for next to nothing.

The service's QUEUE_FULL is remembered for as long as its RetryInfo says. Until then, as many calls may be open as were
then: when one ends, the next is let through, and is taken. Now and then one more is, for others may have left, then two
more, four and so on until one is refused. So whoever can be answered is, at once.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from bridge.errors import AiError

PROBE_PERIOD_S: Final = 0.1
"""After a refusal, how long it takes until more than were open are let through, and again until twice as many are."""

MAX_REMEMBERED: Final = 1024

_DEFAULT_RETRY_AFTER_S: Final = 1.0

Key = tuple[str, str]
"""An account and a model: accounts have their own room."""


@dataclass(slots=True)
class _Place:
    """The calls for one account and model, and what is known of their room."""

    num_open: int = 0
    max_open: float = math.inf
    num_more: int = 1
    full_until_s: float = -math.inf
    probe_at_s: float = -math.inf


class Room:
    """Remembers where the service has no room.

    Args:
        clock: Tells the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places: dict[Key, _Place] = {}

    @property
    def num_remembered(self) -> int:
        """The accounts and models of which something is remembered, or for which calls are open."""
        return len(self._places)

    def check(self, account: str, model_id: str) -> None:
        """Refuses a request of which no more is known.

        Raises:
            AiError: There is no room.
        """
        place = self._places.get((account, model_id))
        now_s = self._clock()
        if place and now_s < min(place.full_until_s, place.probe_at_s) and place.num_open >= place.max_open:
            raise AiError("QUEUE_FULL", retry_after_s=place.full_until_s - now_s)

    @contextmanager
    def taken(self, account: str, model_id: str) -> Iterator[None]:
        """Holds room for a call, in which the service may say that there is none.

        Raises:
            AiError: There is none; or whatever is raised inside.
        """
        self.check(account, model_id)
        key = account, model_id
        place = self._places.setdefault(key, _Place())
        place.num_open += 1
        if place.num_open > place.max_open:
            place.max_open = place.num_open - 1 + place.num_more
            place.num_more *= 2
            place.probe_at_s = self._clock() + PROBE_PERIOD_S
        try:
            yield
        except AiError as error:
            if error.reason == "QUEUE_FULL":
                now_s = self._clock()
                place.full_until_s = now_s + (error.retry_after_s or _DEFAULT_RETRY_AFTER_S)
                place.probe_at_s = now_s + PROBE_PERIOD_S
                place.max_open, place.num_more = place.num_open - 1, 1
            raise
        finally:
            place.num_open -= 1
            self._forget(key, place)

    def _forget(self, key: Key, place: _Place) -> None:
        """Drops what says nothing any more; of too many, those that nobody uses."""
        if place.num_open == 0 and self._clock() >= place.full_until_s:
            del self._places[key]
        elif len(self._places) > MAX_REMEMBERED:
            self._places = {key: place for key, place in self._places.items() if place.num_open}


ROOM = web.AppKey("room", Room)
