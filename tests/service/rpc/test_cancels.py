"""Calls and loads that are cancelled at each of their awaits, and what they leave."""

import asyncio
import contextlib
import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from service.engine_client.request import EngineState
from service.engine_protocol.sampling_params import Priority
from service.models.loading import LoadableModel
from service.rpc.calls import Calls
from tests.support.cancelling import each_cancel
from tests.support.fake_engine import make_loader, make_model, save_checkpoint
from tests.support.running_service import ask

PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("model"))


async def until(model, holds):
    """Waits until a model is as it should be."""
    changed = asyncio.Event()
    model.on_change(changed.set)
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            changed.clear()
            await changed.wait()


async def test_a_call_that_is_cancelled_anywhere_is_none_to_wait_for():
    calls = Calls(default_timeout_s=60.0)
    context: Any = SimpleNamespace(time_remaining=lambda: None)

    async def call():
        async with calls.admit(context):
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async for where in each_cancel(call):
        assert calls._is_idle.is_set(), where
        assert not calls._deadlines, where
    async with asyncio.timeout(PATIENCE_S):
        await calls.drain(timeout_s=3600.0)


@pytest.mark.parametrize("loads_on_use", [True, False])
async def test_a_use_that_is_cancelled_anywhere_leaves_its_model_unused_and_able_to_be_loaded(checkpoint, loads_on_use):
    model = make_model("one", checkpoint, loads_on_use=loads_on_use)
    loader = make_loader(model)
    if not loads_on_use:
        await loader.load(model)

    async def use():
        async with loader.using(model, Priority.ONLINE):
            await asyncio.sleep(0)

    async for where in each_cancel(use):
        assert model.use.is_idle, where
        assert not model.use.running.total(), where
        if loads_on_use:
            await loader.unload(model, "for the next time")
            model.loads_on_use = True
    async with asyncio.timeout(PATIENCE_S), loader.using(model):
        assert model.is_loaded


async def test_a_load_that_is_cancelled_anywhere_goes_on_and_counts_nobody(checkpoint):
    model = make_model("one", checkpoint)
    loader = make_loader(model)
    async for where in each_cancel(lambda: loader.load(model)):
        assert model.use.is_idle, where
        await until(model, lambda: model.state is not EngineState.LOADING)
        assert model.has_room == model.is_loaded, where
        await loader.unload(model, "for the next time")
    assert model.is_loaded


async def test_an_unload_that_is_cancelled_anywhere_is_whole_in_the_end(checkpoint):
    model = make_model("one", checkpoint)
    loader = make_loader(model)
    await loader.load(model)
    async for where in each_cancel(lambda: loader.unload(model, "somebody asked")):
        await until(model, lambda: model.state is EngineState.STOPPED)
        assert not model.is_loaded, where
        await loader.load(model)
        assert (model.has_room, model.use.is_idle) == (True, True), where


async def test_an_engine_whose_end_is_cancelled_leaves_a_model_without_parts_and_room(checkpoint):
    class SlowEnd:
        """The engine of `fake_engine`, which needs a moment to end."""

        def __init__(self, engine):
            self._engine = engine

        def __getattr__(self, name):
            return getattr(self._engine, name)

        async def stop(self, reason=""):
            self._engine.state = EngineState.STOPPED
            await asyncio.sleep(0)

    made = make_model("one", checkpoint)
    engine: Any = SlowEnd(made.engine)
    model = LoadableModel(made.entry, engine, loads_on_use=True)

    async def unload():
        model.withdraw("somebody asked")
        await model.unload("somebody asked")

    async for where in each_cancel(unload):
        assert (model._parts, model.has_room) == (None, False), where
        model.wait("its turn")
        await model.load()


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("text", ["Where is New York?", "x" * 3000])
async def test_a_generation_that_is_cancelled_anywhere_frees_its_blocks_and_its_model(running, text):
    numbers = itertools.count()
    await running.text_generation.Run(ask(max_tokens=1))  # from now on the engine's blocks are known

    async def generate():
        request = ask(text, max_tokens=3)
        generating = running.service._generator.generate(request, f"cancelled {next(numbers)}", "acc")
        async with contextlib.aclosing(generating) as parts:
            async for _ in parts:
                await asyncio.sleep(0)

    async for where in each_cancel(generate):
        assert await running.is_idle(), where
        assert running.model.use.is_idle, where
