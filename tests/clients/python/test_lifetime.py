"""A client is used until it is closed, and with asyncio in one event loop; what uses it otherwise is told so."""

import asyncio
import inspect

import pytest
from runstream import AsyncClient, CallCancelledError, Client, ClientClosedError

from tests.support.fake_service import DEMO

USES = {
    "run": lambda client: client.run(DEMO, prompt="p"),
    "stream": lambda client: client.stream(DEMO, prompt="p"),
    "count_tokens": lambda client: client.count_tokens(DEMO, prompt="p"),
    "models.get": lambda client: client.models.get(DEMO),
    "models.list": lambda client: client.models.list(),
    "models.load": lambda client: client.models.load(DEMO),
    "batches.create": lambda client: client.batches.create(DEMO, ["p"]),
    "batches.get": lambda client: client.batches.get("1"),
    "batches.list": lambda client: client.batches.list(),
    "batches.results": lambda client: client.batches.results("1"),
    "batches.wait": lambda client: client.batches.wait("1"),
    "channel": lambda client: client.channel,
}


async def used(use, client):
    """Uses a client for asyncio as a coroutine, or an iterator, of its wants to be."""
    made = use(client)
    if inspect.isawaitable(made):
        return await made
    return [each async for each in made]


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_closed_client_says_so_before_and_after_its_first_use(use):
    client = Client("127.0.0.1:1")
    client.close()
    with pytest.raises(ClientClosedError, match="the client is closed: make another"):
        list(use(client))
    with pytest.raises(ClientClosedError), client:
        pass
    client.close()


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_a_closed_client_says_so_under_asyncio(fake, use):
    unused, client = AsyncClient(fake.target), AsyncClient(fake.target)
    await client.models.get(DEMO)
    for each in (unused, client):
        await each.close()
        with pytest.raises(ClientClosedError, match="the client is closed: make another"):
            await used(use, each)
        with pytest.raises(ClientClosedError):
            await each.__aenter__()
        await each.close()


async def test_a_used_client_that_is_closed_says_so(fake):
    client = Client(fake.target)
    models, batches = client.models, client.batches
    await asyncio.to_thread(models.get, DEMO)
    client.close()
    with pytest.raises(ClientClosedError):
        models.get(DEMO)
    with pytest.raises(ClientClosedError):
        batches.get("1")


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_client_of_another_event_loop_says_so(use):
    client = AsyncClient("127.0.0.1:1")

    async def first():
        assert client.channel

    async def second():
        with pytest.raises(RuntimeError, match=r"make a client in each asyncio\.run"):
            await used(use, client)
        await client.close()

    asyncio.run(first())
    asyncio.run(second())


def test_a_client_for_asyncio_without_an_event_loop_says_so():
    with pytest.raises(RuntimeError, match="no event loop runs here"):
        AsyncClient("127.0.0.1:1").stream(DEMO, prompt="p")


def cancel_this_task():
    task = asyncio.current_task()
    assert task
    task.cancel()


async def with_a_swallowed_cancel(work):
    """Runs it in a task that was to end before and did not."""

    async def swallow():
        cancel_this_task()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return await work
        raise AssertionError("nothing was cancelled")

    return await asyncio.create_task(swallow())


async def test_closing_ends_a_call_with_an_error_in_a_task_that_swallowed_a_cancel(fake):
    fake.gate.clear()
    client = AsyncClient(fake.target)
    task = asyncio.create_task(with_a_swallowed_cancel(client.run(DEMO, prompt="p")))
    await fake.started.wait()
    await client.close()
    with pytest.raises(CallCancelledError):
        await task


async def test_cancelling_a_stream_ends_its_loop_in_a_task_that_swallowed_a_cancel(fake):
    fake.gate.clear()
    async with AsyncClient(fake.target) as client:
        stream = client.stream(DEMO, prompt="p")

        async def read():
            await anext(stream)
            asyncio.get_running_loop().call_soon(stream.cancel)
            return [part async for part in stream]

        assert await with_a_swallowed_cancel(read()) == []


async def test_a_cancel_that_is_still_to_come_ends_the_task_and_not_the_call_alone(fake):
    fake.gate.clear()
    async with AsyncClient(fake.target) as client:

        async def cancelled_before_the_call():
            cancel_this_task()
            await client.run(DEMO, prompt="p")

        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(cancelled_before_the_call())
