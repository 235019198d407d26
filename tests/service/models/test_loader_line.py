"""How many requests wait for a model that is being loaded, and who is kept out."""

import asyncio

import pytest

from service.engine_client.request import EngineState
from service.engine_protocol.sampling_params import Priority
from service.errors import QueueFullError
from tests.support.fake_engine import make_loader, make_model, save_checkpoint, until, use


@pytest.fixture
def one(tmp_path):
    return make_model("one", save_checkpoint(tmp_path))


@pytest.mark.parametrize("num_loads", [0, 1, 3])
@pytest.mark.parametrize("max_waiting", [1, 2])
async def test_as_many_requests_wait_for_a_model_as_may_whoever_else_has_it_loaded(one, num_loads, max_waiting):
    one.engine.gate.clear()
    loader = make_loader(one, max_waiting=max_waiting)
    loads = [asyncio.create_task(loader.load(one)) for _ in range(num_loads)]
    items = [asyncio.create_task(use(loader, one, Priority.BATCH)) for _ in range(max_waiting)]
    waiting = [asyncio.create_task(use(loader, one)) for _ in range(max_waiting)]
    await until(one, EngineState.LOADING)
    for priority in Priority:
        with pytest.raises(QueueFullError, match=rf"wait for one to be loaded as may, {max_waiting} \(max_waiting\)"):
            await use(loader, one, priority)
    one.engine.gate.set()
    await asyncio.gather(*loads, *items, *waiting)


async def test_online_requests_that_fill_the_line_keep_an_item_of_a_batch_out(one):
    one.engine.gate.clear()
    loader = make_loader(one, max_waiting=1, wait_s=5)
    first = asyncio.create_task(use(loader, one))
    await until(one, EngineState.LOADING)
    with pytest.raises(QueueFullError):
        await use(loader, one, Priority.BATCH)
    one.engine.gate.set()
    await first
