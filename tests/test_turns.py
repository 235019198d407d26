"""Whose turn it is among large requests, in the bridge and in the service."""

import asyncio

import pytest

from bridge.http.turns import LARGE_BYTES
from bridge.http.turns import Turn as BridgeTurn
from service.rpc.turns import Turn as ServiceTurn
from tests.support.cancelling import each_cancel

TURNS = {"bridge": BridgeTurn, "service": ServiceTurn}
LARGE = LARGE_BYTES + 1


@pytest.fixture(params=list(TURNS.values()), ids=list(TURNS))
def new_turn(request):
    return request.param


async def test_a_small_request_waits_for_nobody(new_turn):
    lock = asyncio.Lock()
    await lock.acquire()
    await new_turn(lock).wait(LARGE_BYTES)


async def test_large_requests_come_one_after_the_other(new_turn):
    lock, order = asyncio.Lock(), []

    async def ask(number):
        turn = new_turn(lock)
        await turn.wait(LARGE)
        order.append(f"{number} begins")
        await asyncio.sleep(0)
        order.append(f"{number} ends")
        turn.end()

    await asyncio.gather(*map(ask, range(3)))
    assert order == [f"{number} {what}" for number in range(3) for what in ("begins", "ends")]
    assert not lock.locked()


async def test_a_turn_ends_by_itself(new_turn):
    lock = asyncio.Lock()
    for _ in range(3):
        await new_turn(lock).wait(LARGE)


async def test_a_turn_that_is_over_does_not_end_another_ones(new_turn):
    lock = asyncio.Lock()
    first, second = new_turn(lock), new_turn(lock)
    await first.wait(LARGE)
    await second.wait(1 << 40)
    first.end()
    assert lock.locked()
    second.end()
    second.end()
    assert not lock.locked()


async def test_a_request_that_is_cancelled_leaves_no_turn_behind(new_turn):
    lock = asyncio.Lock()

    async def ask():
        turn = new_turn(lock)
        try:
            await turn.wait(LARGE)
            await asyncio.sleep(0)
        finally:
            turn.end()

    async def beside_another():
        async with lock:
            waiting = asyncio.ensure_future(ask())
            await asyncio.sleep(0)
        await waiting

    async for where in each_cancel(ask):
        assert not lock.locked(), where
    async with asyncio.timeout(120):
        async for _ in each_cancel(beside_another):
            await ask()
