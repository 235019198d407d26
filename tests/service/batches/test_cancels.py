"""Calls of batches that are cancelled at each of their awaits: what is stored is counted, and answered."""

import asyncio
import contextlib

import pytest
from runstream.v1 import batches_pb2

from tests.support.batch_requests import ACCOUNT
from tests.support.batch_setting import CLOSED, OPEN, Setting, asked
from tests.support.cancelling import each_cancel


@pytest.fixture
async def setting(tmp_path):
    made = Setting(tmp_path / "batches.sqlite")
    yield made
    await made.batches.stop()


async def test_a_create_that_is_cancelled_anywhere_leaves_nothing_uncounted_and_its_lane_awake(setting):
    async for where in each_cancel(lambda: setting.batches.create(asked(OPEN))):
        assert await setting.counts_are_right(), where
        await setting.until(lambda: not setting.thread.num_waiting)
    assert setting.thread.num_waiting <= 2


async def test_a_large_create_that_is_cancelled_anywhere_leaves_nothing_uncounted(setting):
    async for where in each_cancel(lambda: setting.batches.create(asked(CLOSED + "x" * 70_000))):
        assert await setting.counts_are_right(), where


@pytest.mark.parametrize("end", ["delete", "cancel"])
async def test_an_end_of_a_batch_that_is_cancelled_anywhere_is_whole_or_not_at_all(setting, end):
    batch = batches_pb2.Batch()

    async def end_it():
        await getattr(setting.batches, end)(ACCOUNT, batch.id)

    batch = await setting.batches.create(asked(CLOSED))
    await setting.until(lambda: len(setting.gate.running) == 2)
    async for where in each_cancel(end_it):
        assert await setting.counts_are_right(), where
        if setting.thread.num_waiting:
            assert len(setting.gate.running) == 2, where
        else:
            await setting.until(lambda: not setting.gate.running)
            batch = await setting.batches.create(asked(CLOSED))
            await setting.until(lambda: len(setting.gate.running) == 2)
    await setting.until(lambda: not setting.gate.running)
    assert await setting.counts_are_right()


async def test_reads_that_are_cancelled_anywhere_change_nothing(setting):
    batch = await setting.batches.create(asked(CLOSED))

    async def read():
        await setting.batches.get(ACCOUNT, batch.id)
        await setting.batches.page(ACCOUNT, 0, "")
        async with contextlib.aclosing(setting.batches.results(ACCOUNT, batch.id)) as pages:
            async for _ in pages:
                pass

    async for where in each_cancel(read):
        assert await setting.counts_are_right(), where
    assert (await setting.batches.get(ACCOUNT, batch.id)).num_items == 2


async def test_a_lane_that_is_cancelled_anywhere_leaves_each_item_for_the_next_one(setting, tmp_path):
    for number in range(1, 12):
        other = Setting(tmp_path / f"{number}.sqlite")
        await other.batches.create(asked(OPEN, num_items=7))
        for _ in range(number):
            await asyncio.sleep(0)
        await other.batches.stop()
        assert not other.gate.running
        again = Setting(tmp_path / f"{number}.sqlite")
        await again.until(lambda again=again: not again.batches._thread.num_waiting)
        (batch,), _ = await again.batches.page(ACCOUNT, 0, "")
        assert (batch.state, batch.num_succeeded) == (batches_pb2.BATCH_STATE_DONE, 7)
        await again.batches.stop()
