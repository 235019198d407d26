"""When models are loaded and unloaded, and what requests see of it."""

import asyncio
import shutil
from pathlib import Path

import pytest

from service.engine_client.request import EngineState
from service.engine_protocol.sampling_params import Priority
from service.errors import ModelNotReadyError
from service.models.loading import LoadableModel
from tests.support.fake_engine import Clock, make_loader, make_model, save_checkpoint, until, use

ROOM_FOR_ONE_MIB = 15


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture
def one(checkpoint: Path) -> LoadableModel:
    return make_model("one", checkpoint)


@pytest.fixture
def other(checkpoint: Path) -> LoadableModel:
    return make_model("other", checkpoint)


async def test_the_first_request_loads_its_model_and_all_that_come_meanwhile_wait_for_it(one):
    loader = make_loader(one)
    assert (one.state, one.is_serving) == (EngineState.STOPPED, True)
    parts = await asyncio.gather(*(use(loader, one) for _ in range(5)))
    assert {part.limits.vocab_size for part in parts} == {512}
    assert (one.engine.num_starts, one.use.is_idle) == (1, True)


async def test_a_request_that_has_waited_long_enough_is_told_how_far_its_model_is(one):
    one.engine.gate.clear()
    loader = make_loader(one, wait_s=0.05)
    with pytest.raises(ModelNotReadyError, match=r"one is still being loaded: loading: 1\.0 of 2\.0 GB"):
        await use(loader, one)
    assert (one.state, one.takes_requests, one.is_serving) == (EngineState.LOADING, True, False)
    one.engine.gate.set()
    await loader.load(one)
    await use(loader, one)
    assert one.engine.num_starts == 1, "the loading went on without the request"


async def test_a_model_that_can_not_be_loaded_tells_why_and_is_tried_again_only_when_asked_for(one):
    one.engine.failure = "3 weights are missing"
    loader = make_loader(one)
    for _ in range(2):
        with pytest.raises(ModelNotReadyError, match=r"one can't be loaded: 3 weights are missing"):
            await use(loader, one)
    assert (one.state, one.is_serving, one.engine.num_starts) == (EngineState.FAILED, False, 1)
    one.engine.failure = ""
    await loader.load(one)
    assert (await use(loader, one), one.engine.num_starts) == (one.loaded(), 2)


async def test_without_loading_on_use_only_those_that_were_loaded_answer(one):
    one.loads_on_use = False
    loader = make_loader(one, on_use=False)
    with pytest.raises(ModelNotReadyError, match=r"one is not loaded: .*python -m service load one"):
        await use(loader, one)
    assert await loader.load_all() == {}
    await use(loader, one)


async def test_the_model_that_was_idle_for_longest_gives_its_room(one, other, checkpoint):
    clock, third = Clock(), make_model("third", checkpoint)
    loader = make_loader(one, other, third, budget_mib=2 * ROOM_FOR_ONE_MIB, clock=clock)
    for model in (one, other, one):
        await use(loader, model)
        clock.now_s += 1
    await use(loader, third)
    assert [model.state for model in (one, other, third)] == [EngineState.READY, EngineState.STOPPED, EngineState.READY]
    assert other.state_detail == "third needs its room; a request loads it"


async def test_a_request_waits_for_room_until_another_model_is_idle(one, other):
    loader = make_loader(one, other, budget_mib=ROOM_FOR_ONE_MIB)
    async with loader.using(one):
        waiting = asyncio.create_task(use(loader, other))
        await until(other, EngineState.LOADING)
        assert (one.is_loaded, waiting.done()) == (True, False)
    await waiting
    assert (one.is_loaded, other.is_loaded) == (False, True)


async def test_a_request_that_finds_no_room_in_time_is_told_who_has_it(one, other):
    loader = make_loader(one, other, budget_mib=ROOM_FOR_ONE_MIB, wait_s=0.5)
    await loader.load(one)  # which waits for as long as it takes
    async with loader.using(one):
        with pytest.raises(ModelNotReadyError, match=r"other needs .* Loaded: one "):
            await use(loader, other)
    await until(other, EngineState.STOPPED)
    await loader.load(other)
    await use(loader, other)


async def test_nothing_waits_for_room_when_its_requests_are_gone(one, other):
    loader = make_loader(one, other, budget_mib=ROOM_FOR_ONE_MIB, wait_s=600)
    async with loader.using(one):
        waiting = asyncio.create_task(use(loader, other))
        await until(other, EngineState.LOADING, "waits for room")
        waiting.cancel()
        await until(other, EngineState.STOPPED)
    assert one.is_loaded


async def test_an_operator_gets_room_as_a_request_does(one, other):
    loader = make_loader(one, other, budget_mib=ROOM_FOR_ONE_MIB)
    await use(loader, one)
    await loader.load(other)
    assert (one.is_loaded, other.is_loaded) == (False, True)


async def test_a_model_that_an_operator_waits_for_is_not_idle(one):
    loader = make_loader(one)
    one.engine.gate.clear()
    loading = asyncio.create_task(loader.load(one))
    await until(one, EngineState.LOADING)
    assert (one.use.is_idle, one.use.gives_way) == (False, False)
    one.engine.gate.set()
    await loading
    assert (one.use.is_idle, one.use.gives_way) == (True, True)


async def test_an_item_of_a_batch_unloads_nothing_and_gives_way_itself(one, other):
    loader = make_loader(one, other, budget_mib=ROOM_FOR_ONE_MIB)
    await use(loader, one)
    with pytest.raises(ModelNotReadyError, match="other needs"):
        await use(loader, other, Priority.BATCH)
    async with loader.using(one, Priority.BATCH):
        await use(loader, other)
        assert not one.is_loaded


async def test_a_model_larger_than_the_budget_unloads_nothing(one, other):
    loader = make_loader(one, other, budget_mib=ROOM_FOR_ONE_MIB)
    await use(loader, one)
    other.engine.config = type(other.engine.config)(other.engine.config.checkpoint, kv_cache_memory_mib=100)
    with pytest.raises(ModelNotReadyError, match="other needs"):
        await use(loader, other)
    assert one.is_loaded


async def test_a_device_that_the_engine_finds_full_is_made_room_on(one, other):
    loader = make_loader(one, other, budget_mib=0)
    await use(loader, one)
    other.engine.device_bytes = 0
    one.on_change(lambda: setattr(other.engine, "device_bytes", None))
    await use(loader, other)
    assert (one.is_loaded, other.is_loaded, other.engine.num_starts) == (False, True, 2)


async def test_an_idle_model_is_unloaded_and_the_next_request_loads_it_again(one, other):
    clock = Clock()
    loader = make_loader(one, other, clock=clock, on_use=False, unload_idle_s=60)
    await loader.load_all()
    async with loader.using(other):
        clock.now_s = 59.0
        await loader.unload_idle()
        assert one.is_loaded
        clock.now_s = 60.0
        await loader.unload_idle()
        assert (one.is_loaded, other.is_loaded) == (False, True), "one is idle, the other is not"
    assert one.state_detail == "it had no request for 60 s; a request loads it"
    await use(loader, one)
    assert one.engine.num_starts == 2


async def test_requests_may_end_before_their_model_is_unloaded_and_new_ones_wait_until_after(one):
    loader = make_loader(one)
    async with loader.using(one):
        unloading = asyncio.create_task(loader.unload(one, "it was unloaded", drain_s=20))
        await until(one, EngineState.STOPPED)
        waiting = asyncio.create_task(use(loader, one))
        assert one.engine.state is EngineState.READY
    await unloading
    await waiting
    assert one.engine.num_starts == 2


async def test_who_has_it_unloaded_and_goes_leaves_its_requests_no_more_time(one):
    loader = make_loader(one)
    async with loader.using(one):
        unloading = asyncio.create_task(loader.unload(one, "it was unloaded", drain_s=3600))
        await until(one, EngineState.STOPPED)
        unloading.cancel()
        async with asyncio.timeout(120):
            await loader.unload(one, "it was unloaded")
        assert one.engine.state is EngineState.STOPPED


async def test_what_nobody_foresaw_leaves_a_model_failed_and_tells_its_cause_to_the_log_only(one, caplog):
    one.engine.info = None
    loader = make_loader(one)
    with pytest.raises(AttributeError):
        await use(loader, one)
    with pytest.raises(ModelNotReadyError, match="it could not be loaded; the service's log says why"):
        await use(loader, one)
    assert "AttributeError" in caplog.text
    assert one.engine.state is EngineState.STOPPED


async def test_unloading_ends_a_loading_that_somebody_waits_for(one):
    one.engine.gate.clear()
    loader = make_loader(one, on_use=False)
    loading = asyncio.create_task(loader.load(one))
    await until(one, EngineState.LOADING)
    await loader.unload(one, "it was unloaded")
    with pytest.raises(ModelNotReadyError, match="one is not loaded"):
        await loading
    assert (one.state, one.engine.state) == (EngineState.STOPPED, EngineState.STOPPED)


async def test_nothing_is_loaded_for_requests_that_wait_when_the_service_stops(one):
    one.engine.gate.clear()
    loader = make_loader(one)
    waiting = asyncio.create_task(use(loader, one))
    await one.engine.has_started.wait()
    await loader.stop()
    with pytest.raises(ModelNotReadyError, match="shutting down"):
        await waiting
    assert (one.engine.state, one.engine.num_starts) == (EngineState.STOPPED, 1)


async def test_models_take_room_in_the_order_in_which_they_were_asked_for(checkpoint, tmp_path):
    slow = shutil.copytree(checkpoint, tmp_path / "slow")
    for number in range(300):
        (slow / f"{number}.safetensors").symlink_to(slow / "model.safetensors")
    models = [make_model(folder.name, folder, loads_on_use=False) for folder in (slow, checkpoint)]
    failures = await make_loader(*models, on_use=False, budget_mib=ROOM_FOR_ONE_MIB).load_all()
    assert list(failures) == [checkpoint.name]


async def test_one_model_that_fails_does_not_keep_the_others_from_loading(one, other):
    one.engine.failure = "broken"
    failures = await make_loader(one, other, on_use=False).load_all()
    assert {name: failure.message for name, failure in failures.items()} == {"one": "one can't be loaded: broken"}
    assert other.is_loaded


async def test_not_even_a_failure_that_nobody_foresaw_keeps_the_others_from_loading(one, other):
    one.engine.info = None
    failures = await make_loader(one, other, on_use=False).load_all()
    assert "the service's log says why" in failures["one"].message
    assert other.is_loaded


async def test_a_model_that_an_operator_loaded_comes_back_after_it_gave_its_room_or_was_idle(one, other):
    one.loads_on_use = False
    clock = Clock()
    loader = make_loader(one, other, clock=clock, budget_mib=ROOM_FOR_ONE_MIB, unload_idle_s=60)
    await loader.load(one)
    await use(loader, other)
    await use(loader, one)
    one.loads_on_use = False
    clock.now_s += 60
    await loader.unload_idle()
    assert not one.is_loaded
    await use(loader, one)


async def test_a_model_without_room_that_no_request_loads_has_failed(one, other):
    one.loads_on_use = other.loads_on_use = False
    loader = make_loader(one, other, on_use=False, budget_mib=ROOM_FOR_ONE_MIB)
    await loader.load(one)
    with pytest.raises(ModelNotReadyError, match="other needs"):
        await loader.load(other)
    assert other.state is EngineState.FAILED
