"""Room that a model gave back or never got, and models that are asked for while they are unloaded."""

import asyncio

import pytest

from service.engine_client.request import EngineState
from service.errors import ModelNotReadyError
from tests.support.fake_engine import make_loader, make_model, save_checkpoint, until, use

ROOM_FOR_ONE_MIB = 15


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture
def one(checkpoint):
    return make_model("one", checkpoint)


@pytest.fixture
def other(checkpoint):
    return make_model("other", checkpoint)


async def test_who_asks_right_after_an_unload_waits_until_the_model_is_loaded_again(one):
    loader = make_loader(one)
    await use(loader, one)
    await asyncio.gather(loader.unload(one, "it was unloaded"), use(loader, one))
    assert one.engine.num_starts == 2


async def test_a_model_that_its_device_had_no_room_for_has_reserved_none(one, other):
    loader = make_loader(one, other, budget_mib=0, wait_s=0.05)
    await loader.load(one)
    async with loader.using(one):
        other.engine.device_bytes = 0
        with pytest.raises(ModelNotReadyError, match=r"Loaded: one \([^)]*\)\. What would fit"):
            await use(loader, other)


async def test_room_of_a_model_that_failed_is_given_though_its_requests_go_on(one, other):
    loader = make_loader(one, other, budget_mib=ROOM_FOR_ONE_MIB, wait_s=600)
    async with loader.using(one):
        waiting = asyncio.create_task(use(loader, other))
        await until(other, EngineState.LOADING, "waits for room")
        one.engine.fail()
        await waiting
    assert other.is_loaded
