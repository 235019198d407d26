"""When the silence of an engine's process counts as a stall, and when it is given up."""

import asyncio

import pytest

from service.engine_client.stalls import SignsOfLife

TIMEOUT_S, KILL_S = 8.0, 4.0
PERIOD_S = 1.0


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def signs(clock: Clock) -> SignsOfLife:
    return SignsOfLife(TIMEOUT_S, KILL_S, clock)


def be_silent(signs: SignsOfLife, clock: Clock, for_s: float, period_s: float = PERIOD_S) -> None:
    """Lets time pass as the watch sees it, from look to look."""
    end_s = clock.now_s + for_s
    while clock.now_s < end_s:
        clock.now_s += period_s
        signs.look()


def test_a_silence_is_as_long_as_it_was_looked_at(signs: SignsOfLife, clock: Clock) -> None:
    be_silent(signs, clock, 11)
    assert signs.silence_s == 11
    signs.note()
    assert signs.silence_s == 0


def test_only_what_has_stalled_and_stays_silent_is_wedged(signs: SignsOfLife, clock: Clock) -> None:
    be_silent(signs, clock, 13)
    assert not signs.is_wedged
    signs.is_stalled = True
    assert signs.is_wedged
    signs.note()
    assert not signs.is_wedged


def test_nothing_is_ever_wedged_unless_a_time_is_given(clock: Clock) -> None:
    signs = SignsOfLife(TIMEOUT_S, 0, clock)
    be_silent(signs, clock, 1000, 2)
    signs.is_stalled = True
    assert not signs.is_wedged


def test_a_service_that_stood_still_itself_blames_no_engine_for_it(signs: SignsOfLife, clock: Clock) -> None:
    be_silent(signs, clock, 2)
    be_silent(signs, clock, 3600, 3600)
    assert signs.silence_s == 2 + 2 * PERIOD_S


async def test_the_watch_tells_a_stall_once_and_then_that_it_lasts() -> None:
    signs = SignsOfLife(0.02, 0.02)
    told: list[str] = []
    has_wedged = asyncio.Event()

    def on_wedge() -> None:
        told.append("wedged")
        has_wedged.set()

    watch = asyncio.create_task(signs.watch(lambda: True, lambda: told.append("stalled"), on_wedge))
    await has_wedged.wait()
    watch.cancel()
    assert told == ["stalled", "wedged"]
