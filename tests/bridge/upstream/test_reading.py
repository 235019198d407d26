"""Waits for the service are cancelled from outside only: the wait inside of gRPC ends by itself."""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import aclosing

import pytest

from bridge.upstream.reading import MAX_READ_AHEAD, answer_of, parts_of

pytestmark = pytest.mark.asyncio


class Call:
    """A call as gRPC's: cancelling it ends the wait for it.

    Attributes:
        num_read: How many responses were taken.
        lost: The waits that were cancelled before the call was; of these gRPC frees nothing.
    """

    def __init__(self, *responses: int, error: Exception | None = None, is_endless: bool = False) -> None:
        self.num_read = 0
        self.lost = 0
        self.is_cancelled = False
        self._responses = responses
        self._error = error
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not is_endless:
            self._end.set_result(None)

    def cancel(self) -> bool:
        self.is_cancelled = True
        if not self._end.done():
            self._end.set_exception(asyncio.CancelledError())
        return True

    async def _wait(self) -> None:
        try:
            await self._end
        except asyncio.CancelledError:
            self.lost += not self.is_cancelled
            raise

    async def __aiter__(self) -> AsyncIterator[int]:
        for response in self._responses:
            self.num_read += 1
            yield response
        await self._wait()
        if self._error:
            raise self._error

    def __await__(self) -> Generator[None, None, int]:
        yield from self._wait().__await__()
        if self._error:
            raise self._error
        return 7


async def settled() -> None:
    """Lets everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_parts_come_in_their_order_and_the_call_is_cancelled_behind_the_last() -> None:
    call = Call(*range(20))
    assert [part async for part in parts_of(call)] == list(range(20))
    assert call.is_cancelled


@pytest.mark.parametrize("responses", [(), (1, 2)])
async def test_an_error_comes_behind_the_parts_before_it(responses: tuple[int, ...]) -> None:
    parts = parts_of(Call(*responses, error=ValueError("broken")))
    for response in responses:
        assert await anext(parts) == response
    with pytest.raises(ValueError, match="broken"):
        await anext(parts)


async def test_no_more_is_read_ahead_than_may_be() -> None:
    call = Call(*range(100))
    async with aclosing(parts_of(call)) as parts:
        await anext(parts)
        await settled()
        assert call.num_read <= MAX_READ_AHEAD + 1
        assert [await anext(parts) for _ in range(50)] == list(range(1, 51))


@pytest.mark.parametrize("num_parts", [0, 1, MAX_READ_AHEAD + 5])
async def test_a_reader_that_is_cancelled_cancels_the_call_and_not_the_wait_inside(num_parts: int) -> None:
    call = Call(*range(num_parts), is_endless=True)

    async def read() -> list[int]:
        async with aclosing(parts_of(call)) as parts:
            return [part async for part in parts]

    reading = asyncio.create_task(read())
    await settled()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await settled()
    assert (call.is_cancelled, call.lost) == (True, 0)


async def test_parts_that_are_left_unread_hold_nothing_up() -> None:
    call = Call(*range(100), is_endless=True)
    async with aclosing(parts_of(call)) as parts:
        await anext(parts)
        await settled()
    await settled()
    assert (call.is_cancelled, call.lost) == (True, 0)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_call_that_is_cancelled_elsewhere_cancels_its_reader() -> None:
    call = Call(is_endless=True)
    reading = asyncio.ensure_future(anext(parts_of(call)))
    await settled()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_an_answer_and_an_error_come_as_they_are() -> None:
    assert await answer_of(Call()) == 7
    with pytest.raises(ValueError, match="broken"):
        await answer_of(Call(error=ValueError("broken")))


async def test_who_is_cancelled_while_waiting_for_an_answer_cancels_the_call_and_not_the_wait_inside() -> None:
    call = Call(is_endless=True)
    waiting = asyncio.create_task(answer_of(call))
    await settled()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await settled()
    assert (call.is_cancelled, call.lost) == (True, 0)
