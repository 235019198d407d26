"""The states that a model passes on its way into memory and out of it."""

import asyncio
import itertools
import re
from dataclasses import replace
from typing import Any

import pytest

from service.engine_client.request import EngineState
from service.errors import ModelNotReadyError
from service.models.load_state import LoadState
from service.models.loading import LoadableModel
from tests.support.fake_engine import FakeEngine, make_loader, make_model, save_checkpoint, until, use

ROOM_FOR_ONE_MIB = 15

UNLOADED, WAITING, LOADING, LOADED, UNLOADING, FAILED = LoadState


class Followed(LoadableModel):
    """A model that remembers the states that it was in."""

    def __init__(self, made: LoadableModel) -> None:
        super().__init__(made.entry, made.engine, loads_on_use=made.loads_on_use)
        self.passed = [self.load_state]
        self.on_change(lambda: self.passed.append(self.load_state))

    @property
    def way(self) -> list[LoadState]:
        """The states, each once however long it was in it."""
        return [state for state, _ in itertools.groupby(self.passed)]


class SlowEnd(FakeEngine):
    """An engine that ends when a test says so."""

    def __init__(self, checkpoint):
        super().__init__(checkpoint)
        self.is_ending, self.may_end = asyncio.Event(), asyncio.Event()

    async def stop(self, reason=""):
        """Is gone as soon as it may be."""
        self.is_ending.set()
        await self.may_end.wait()
        await super().stop(reason)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture
def one(checkpoint):
    return Followed(make_model("one", checkpoint))


@pytest.fixture
def other(checkpoint):
    return Followed(make_model("other", checkpoint))


async def test_a_model_is_loaded_and_unloaded(one):
    loader = make_loader(one)
    await use(loader, one)
    await loader.unload(one, "it was unloaded")
    assert one.way == [UNLOADED, WAITING, LOADING, LOADED, UNLOADING, UNLOADED]


async def test_a_model_that_can_not_be_loaded_fails_and_can_be_asked_for_again(one):
    loader = make_loader(one)
    one.engine.failure = "broken"
    for _ in range(2):
        with pytest.raises(ModelNotReadyError):
            await loader.load(one)
    assert one.way == [UNLOADED, WAITING, LOADING, FAILED, WAITING, LOADING, FAILED]


async def test_a_model_that_a_request_finds_no_room_for_is_unloaded_again(one, other):
    loader = make_loader(one, other, on_use=False, budget_mib=ROOM_FOR_ONE_MIB)
    await use(loader, one)
    with pytest.raises(ModelNotReadyError):
        await use(loader, other)
    assert other.way == [UNLOADED, WAITING, UNLOADED]


async def test_a_model_whose_device_is_full_waits_for_room_once_more(one, other):
    loader = make_loader(one, other, budget_mib=0)
    await use(loader, one)
    other.engine.device_bytes = 0
    one.on_change(lambda: setattr(other.engine, "device_bytes", None))
    await use(loader, other)
    assert other.way == [UNLOADED, WAITING, LOADING, WAITING, LOADING, LOADED]
    assert one.way[-2:] == [UNLOADING, UNLOADED]


async def test_a_model_that_is_unloaded_while_it_is_loaded_never_is(one):
    one.engine.gate.clear()
    loader = make_loader(one)
    loading = asyncio.create_task(loader.load(one))
    await until(one, EngineState.LOADING, "of 2.0 GB")
    await loader.unload(one, "it was unloaded")
    with pytest.raises(ModelNotReadyError, match="one is not loaded: its loading was ended"):
        await loading
    assert one.way == [UNLOADED, WAITING, LOADING, UNLOADING, UNLOADED]
    assert one.state_detail == "it was unloaded; a request loads it"


async def test_a_model_whose_engine_has_failed_for_good_is_loaded_again_in_the_room_that_it_had(one):
    loader = make_loader(one, budget_mib=ROOM_FOR_ONE_MIB)
    await loader.load(one)
    one.engine.fail()
    assert (one.load_state, one.state, one.reserved_bytes) == (LOADED, EngineState.FAILED, 0)
    await loader.load(one)
    assert (one.way[-4:], one.is_loaded) == ([LOADED, WAITING, LOADING, LOADED], True)


async def test_a_model_whose_engine_has_failed_for_good_and_that_is_not_loaded_again_has_nothing(one):
    loader = make_loader(one)
    await loader.load(one)
    one.engine.fail()
    one.wait("it waits for room")
    one.give_up("there is no room")
    assert one.load_state is UNLOADED
    with pytest.raises(ModelNotReadyError, match="there is no room"):
        one.loaded()


async def test_a_model_has_its_room_from_its_loading_to_the_end_of_its_unloading(one):
    rooms: dict[LoadState, bool] = {}
    one.on_change(lambda: rooms.setdefault(one.load_state, one.has_room))
    loader = make_loader(one)
    await loader.load(one)
    await loader.unload(one, "it was unloaded")
    assert rooms == {WAITING: False, LOADING: True, LOADED: True, UNLOADING: True, UNLOADED: False}


async def test_a_model_that_is_unloaded_while_its_load_fails_has_its_room_until_its_engine_is_gone(one, checkpoint):
    engine: Any = SlowEnd(checkpoint)
    engine.failure = "broken"
    model = LoadableModel(one.entry, engine)
    loader = make_loader(model)
    loading = asyncio.create_task(loader.load(model))
    await engine.is_ending.wait()
    engine.is_ending.clear()
    unloading = asyncio.create_task(loader.unload(model, "it was unloaded"))
    await engine.is_ending.wait()
    assert model.has_room
    engine.may_end.set()
    await asyncio.gather(loading, unloading, return_exceptions=True)
    assert (model.has_room, model.load_state) == (False, UNLOADED)


async def test_what_requests_see_follows_from_the_state(one):
    seen: dict[LoadState, tuple[EngineState, bool]] = {}
    one.on_change(lambda: seen.setdefault(one.load_state, (one.state, one.takes_requests)))
    loader = make_loader(one)
    one.engine.failure = "broken"
    with pytest.raises(ModelNotReadyError):
        await loader.load(one)
    one.engine.failure = ""
    await loader.load(one)
    await loader.unload(one, "it was unloaded")
    assert seen == {
        WAITING: (EngineState.LOADING, True),
        LOADING: (EngineState.LOADING, True),
        FAILED: (EngineState.FAILED, False),
        LOADED: (EngineState.READY, True),
        UNLOADING: (EngineState.STOPPED, True),
        UNLOADED: (EngineState.STOPPED, True),
    }


@pytest.mark.parametrize(("state", "step"), [(UNLOADED, "fail"), (UNLOADED, "give_up"), (FAILED, "give_up")])
def test_a_step_that_does_not_follow_from_a_state_is_refused(one, state, step):
    if state is FAILED:
        one.wait("its turn")
        one.fail("broken")
    with pytest.raises(AssertionError, match=f"one: {state} to"):
        getattr(one, step)("why")
    assert one.load_state is state


async def test_a_tokenizer_with_more_ids_than_the_weights_is_told_at_load(one, caplog):
    one.engine.info = replace(one.engine.info, vocab_size=100)
    await make_loader(one).load(one)
    assert re.search(r"the tokenizer of one has token ids up to \d+, and its weights know those up to 99", caplog.text)


async def test_a_broken_chat_template_is_told_at_load(tmp_path, caplog):
    checkpoint = save_checkpoint(tmp_path)
    (checkpoint / "chat_template.jinja").write_text("{{ messages[0].content.missing.name }}")
    model = make_model("broken", checkpoint)
    await make_loader(model).load(model)
    assert "the chat template of broken is broken, so that prompts and messages are refused" in caplog.text
    assert model.load_state is LOADED


async def test_nothing_is_told_of_a_model_that_is_whole(one, caplog):
    await make_loader(one).load(one)
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
