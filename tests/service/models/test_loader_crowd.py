"""A loader in a crowd: requests, items of batches, operators and failures at once, some of them cancelled."""

import asyncio
import contextlib
import random

import pytest

from service.engine_client.request import EngineState
from service.engine_protocol.sampling_params import Priority
from service.errors import ModelNotReadyError, QueueFullError
from service.models.loading import LoadableModel
from tests.support.fake_engine import Clock, FakeEngine, make_loader, make_model, save_checkpoint

NUM_TURNS = 8


class SlowEngine(FakeEngine):
    """An engine for whose start and end others have had some turns."""

    def __init__(self, checkpoint, chance):
        super().__init__(checkpoint)
        self.chance = chance

    async def wait_until_ready(self):
        """Is loaded after some turns."""
        await turns(self.chance)
        return await super().wait_until_ready()

    async def stop(self, reason=""):
        """Is gone after some turns."""
        await turns(self.chance)
        await super().stop(reason)


class Crowd:
    """Four models of which two fit, and those who use them."""

    def __init__(self, seed, checkpoint):
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.models = [self._model(name, checkpoint) for name in "abcd"]
        self.is_patient = self.chance.choice([False, True])
        wait_s = 5.0 if self.is_patient else 0.02
        self.loader = make_loader(*self.models, budget_mib=25, clock=self.clock, wait_s=wait_s, unload_idle_s=5.0)
        self.num_answers = 0

    def _model(self, name, checkpoint):
        model = make_model(name, checkpoint)
        engine = SlowEngine(checkpoint, self.chance)
        return LoadableModel(model.entry, engine, loads_on_use=True)  # type: ignore[arg-type]  # an engine as a model sees it

    async def ask(self):
        """Uses models, and sees that they are loaded and within the budget."""
        for _ in range(NUM_TURNS):
            model = self.chance.choice(self.models)
            priority = self.chance.choice([Priority.ONLINE, Priority.BATCH])
            with contextlib.suppress(ModelNotReadyError, QueueFullError):
                async with self.loader.using(model, priority):
                    there = [it for it in self.models if it.engine.state is not EngineState.STOPPED]
                    assert model in there
                    assert len(there) <= 2
                    await turns(self.chance)
                    self.num_answers += 1

    async def steer(self):
        """Loads, unloads, breaks and repairs models."""
        for _ in range(NUM_TURNS):
            model = self.chance.choice(self.models)
            self.clock.now_s += self.chance.random() * 4
            model.engine.failure = self.chance.choice(["", "", "broken"])
            with contextlib.suppress(ModelNotReadyError):
                match self.chance.randrange(3):
                    case 0:
                        await self.loader.unload(model, "it was unloaded", self.chance.choice([0.0, 0.02]))
                    case 1:
                        await self.loader.load(model)
                    case 2:
                        await self.loader.unload_idle()
            await turns(self.chance)


async def turns(chance):
    """Lets others have some turns."""
    for _ in range(chance.randrange(30)):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(12))
async def test_nobody_waits_for_ever_and_nothing_is_left(seed, tmp_path):
    crowd = Crowd(seed, save_checkpoint(tmp_path))
    tasks = [asyncio.create_task(crowd.ask()) for _ in range(8)]
    tasks += [asyncio.create_task(crowd.steer()) for _ in range(2)]
    await turns(crowd.chance)
    crowd.chance.choice(tasks).cancel()
    async with asyncio.timeout(120):
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await crowd.loader.stop()
    assert [end for end in ends if end is not None and not isinstance(end, asyncio.CancelledError)] == []
    # On a busy machine the others may all have waited too long.
    assert crowd.num_answers or not crowd.is_patient
    assert all(model.use.is_idle for model in crowd.models)
    assert [(model.engine.state, model.has_room) for model in crowd.models] == [(EngineState.STOPPED, False)] * 4
