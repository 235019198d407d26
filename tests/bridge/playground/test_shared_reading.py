"""A reading is done once for all who ask at the same time, whoever of them leaves."""

import asyncio

import pytest

from bridge.playground.shared_reading import SharedReading


class Source:
    """Something to read, once the gate is open."""

    def __init__(self):
        self.gate, self.begun = asyncio.Event(), asyncio.Event()
        self.num_readings = 0

    async def read(self):
        self.num_readings += 1
        self.begun.set()
        await self.gate.wait()
        return self.num_readings


async def test_those_who_ask_during_a_reading_share_it_and_the_next_one_reads_anew():
    source = Source()
    shared = SharedReading(source.read)
    asking = [asyncio.create_task(shared.get()) for _ in range(5)]
    await source.begun.wait()
    source.gate.set()
    assert await asyncio.gather(*asking) == [1] * 5
    assert await shared.get() == 2


async def test_one_who_leaves_ends_it_for_nobody_else():
    source = Source()
    shared = SharedReading(source.read)
    first, other = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
    await source.begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.gate.set()
    assert await other == 1


async def test_closing_it_ends_the_reading_and_those_who_wait():
    source = Source()
    shared = SharedReading(source.read)
    asking = asyncio.create_task(shared.get())
    await source.begun.wait()
    await shared.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_nothing_is_read_before_somebody_asks():
    source = Source()
    await SharedReading(source.read).close()
    assert source.num_readings == 0
