"""Batches whose calls can be cancelled at any await."""

import asyncio
from types import SimpleNamespace
from typing import Any

from runstream.v1 import text_generation_pb2 as pb

from service.batches.batches import Batches
from service.batches.store_thread import StoreThread
from service.metrics import Metrics
from tests.support.batch_requests import batch_of

PATIENCE_S = 120.0
WAITING = "runstream_num_batch_items_waiting"
MODEL = "model"
CLOSED, OPEN = "closed", "open"


class Gate:
    """A generator that answers what asks "open" at once and everything else never."""

    def __init__(self):
        self.running = []

    async def generate(self, request, request_id, account):
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

    @property
    def thread(self) -> StoreThread:
        """The thread of their file."""
        assert self.batches._thread is not None
        return self.batches._thread

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


def asked(text, num_items=2):
    """A batch whose items all ask the same."""
    return batch_of([pb.RunRequest(prompt=pb.Prompt(text=text))] * num_items, model=MODEL)
