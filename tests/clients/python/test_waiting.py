"""A wait for gRPC that is cancelled goes on until the call ends it."""

import asyncio
import contextlib

import pytest
from grpc import aio
from runstream.waiting import apart, sparing_failures

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


class Read:
    """A read as gRPC's: what it frees stands behind the wait, and a failure means that no more comes."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.is_freed = False
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> str:
        self.has_begun.set()
        with contextlib.suppress(aio.InternalError):
            await self.future
            self.is_freed = True
        return "no more"


async def test_a_read_of_grpcs_that_fails_is_freed():
    read = Read()
    reading = asyncio.create_task(apart(read.run()))
    await read.has_begun.wait()
    read.future.set_exception(aio.InternalError("the stream is closed"))
    assert await reading == "no more"
    assert read.is_freed


async def test_failures_of_others_and_of_tasks_come_as_they_are():
    async def failing() -> None:
        raise aio.InternalError("broken")

    with pytest.raises(aio.InternalError, match="broken"):
        await sparing_failures(asyncio.create_task(failing()))
    read = Read()
    reading = asyncio.create_task(apart(read.run()))
    await read.has_begun.wait()
    read.future.set_exception(OSError("no network"))
    with pytest.raises(OSError, match="no network"):
        await reading


async def test_a_cancellation_reaches_what_is_waited_for():
    async def inside() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return await asyncio.sleep(0, "cleaned up")
        raise AssertionError

    async def outside() -> str:
        return await sparing_failures(inside())

    waiting = asyncio.create_task(outside())
    await asyncio.sleep(0)
    waiting.cancel()
    assert await waiting == "cleaned up"


async def _none():
    for _ in ():
        yield
