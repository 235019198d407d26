"""A wait for gRPC that is cancelled goes on until the call ends it."""

import asyncio

import pytest
from runstream.waiting import apart

pytestmark = pytest.mark.asyncio


async def test_who_is_cancelled_leaves_the_wait_inside_alone():
    inside = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(apart(inside))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not inside.done()
    inside.set_exception(ValueError("nobody hears it, and nobody logs that"))
    await asyncio.sleep(0)


async def test_answers_and_errors_come_as_they_are():
    inside = asyncio.get_running_loop().create_future()
    inside.set_result(7)
    assert await apart(inside) == 7
    inside = asyncio.get_running_loop().create_future()
    inside.set_exception(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await apart(inside)
    with pytest.raises(StopAsyncIteration):
        await apart(anext(aiter(_none())))


async def _none():
    for _ in ():
        yield
