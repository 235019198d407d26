"""Calls of batches that are cancelled at each of their awaits: what is stored is counted, and answered."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.batches.batches import Batches
from service.metrics import Metrics
from tests.support.batch_requests import ACCOUNT, batch_of
from tests.support.cancelling import each_cancel

PATIENCE_S = 20.0
WAITING = "runstream_num_batch_items_waiting"
MODEL = "model"
CLOSED, OPEN = "closed", "open"


class Gate:
    """A generator that answers what asks "open" at once and everything else never."""

    def __init__(self):
        self.running = []

    async def generate(self, request, request_id):
        """Answers in one part."""
        self.running.append(request_id)
        try:
            if request.prompt.text == CLOSED:
                await asyncio.Event().wait()
            yield pb.RunStreamResponse(id=request_id, text="yes", finish_reason=pb.FINISH_REASON_STOP)
        finally:
            self.running.remove(request_id)


class Setting:
    """Batches with a model that runs three items at once.

    Attributes:
        batches: The batches.
        gate: What answers them.
        metrics: What counts them.
    """

    def __init__(self, path):
        self.gate, self.metrics = Gate(), Metrics()
        engine = SimpleNamespace(num_recent_deaths=0, max_num_seqs=3)
        model = SimpleNamespace(entry=SimpleNamespace(id=MODEL), engine=engine)
        models: Any = SimpleNamespace(
            answering=lambda _: model, answered_by=lambda _: [MODEL], on_open=lambda call: call(model)
        )
        generator: Any = self.gate
        self.batches = Batches(models, generator, self.metrics, ttl_s=60.0)
        self.batches.open(path)
        self.batches.start()

    async def counts_are_right(self):
        """Whether the gauge says what the file has, in the store's thread, which alone changes either."""

        def compare(store):
            (stored,) = store._db.execute("SELECT count(*) FROM items WHERE is_done = 0").fetchone()
            return self.metrics.registry.get_sample_value(WAITING) == stored

        return await self.batches._store()(compare)

    async def until(self, holds):
        """Waits for something that the store's thread and the lane bring about."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await self.batches._store()(lambda _: None)


@pytest.fixture
async def setting(tmp_path):
    made = Setting(tmp_path / "batches.sqlite")
    yield made
    await made.batches.stop()


def asked(text, num_items=2):
    """A batch whose items all ask the same."""
    return batch_of([pb.RunRequest(prompt=pb.Prompt(text=text))] * num_items, model=MODEL)


async def test_a_create_that_is_cancelled_anywhere_leaves_nothing_uncounted_and_its_lane_awake(setting):
    async for where in each_cancel(lambda: setting.batches.create(asked(OPEN))):
        assert await setting.counts_are_right(), where
        await setting.until(lambda: not setting.batches._store().num_waiting)
    assert setting.batches._store().num_waiting <= 2


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
        if setting.batches._store().num_waiting:
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
        await again.until(lambda again=again: not again.batches._store().num_waiting)
        (batch,), _ = await again.batches.page(ACCOUNT, 0, "")
        assert (batch.state, batch.num_succeeded) == (batches_pb2.BATCH_STATE_DONE, 7)
        await again.batches.stop()
