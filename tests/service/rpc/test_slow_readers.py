"""What was written before a call ends has been taken by then, however it ends."""

import asyncio

import pytest

from service.errors import EngineFailedError
from service.rpc.slow_readers import SlowReaders

pytestmark = pytest.mark.asyncio


class Context:
    """A call whose messages are taken when the test says so."""

    def __init__(self) -> None:
        self.taken = asyncio.get_running_loop().create_future()

    async def write(self, _message: object) -> None:
        await self.taken


async def write_one(context, error):
    async with SlowReaders(60.0, lambda: None).writer_of(context) as writer:
        await writer.write("a part")
        if error:
            raise error


@pytest.mark.parametrize("error", [None, EngineFailedError("it crashed")])
async def test_a_call_does_not_end_before_its_last_message_is_taken(error):
    context = Context()
    ending = asyncio.create_task(write_one(context, error))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not ending.done()
    context.taken.set_result(None)
    await asyncio.wait([ending])
    assert ending.exception() is error


async def test_an_error_is_told_though_the_message_before_it_is_not_taken():
    context = Context()
    error = EngineFailedError("it crashed")
    ending = asyncio.create_task(write_one(context, error))
    await asyncio.sleep(0)
    context.taken.set_exception(ConnectionError("the client left"))
    await asyncio.wait([ending])
    assert ending.exception() is error


async def test_who_is_cancelled_waits_for_nobody():
    ending = asyncio.create_task(write_one(Context(), None))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait([ending])
    assert ending.cancelled()
