"""The order in which a lane has items answered when the engine fails, has no room, or the disk does not write."""

import asyncio
import contextlib
import sqlite3
from types import SimpleNamespace
from typing import Any

import pytest
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.batches.lane import Lane
from service.batches.records import NewBatch, NewItem
from service.batches.store import BatchStore
from service.batches.store_thread import StoreThread
from service.batches.troubles import DiskTroubles
from service.errors import EngineFailedError, ModelNotReadyError

PATIENCE_S = 120.0


class Answers:
    """A generator whose answers are the prompts, and which notes who is answered beside whom.

    Attributes:
        errors: What is raised next for a prompt, in order.
        num_begun_first: How many prompts must have begun before any is answered.
        num_turns: How often everybody else has had a turn before a prompt is answered; 10 times unless it is told.
        runs: The prompts being answered whenever one begins, that one last.
        outcomes: What was told of items that got their result.
        troubles: The kinds of the disk's errors.
    """

    def __init__(self):
        self.errors = {}
        self.num_begun_first = 0
        self.num_turns = {}
        self.runs = []
        self.outcomes = []
        self.troubles = []
        self._have_begun = asyncio.Event()
        self._running = []

    async def generate(self, request, request_id, account):
        """Answers in one part, after everybody else has had some turns."""
        prompt = request.prompt.text
        self._running.append(prompt)
        self.runs.append(tuple(self._running))
        try:
            for _ in range(self.num_turns.get(prompt, 10)):
                await asyncio.sleep(0)
            if len(self.runs) >= self.num_begun_first:
                self._have_begun.set()
            await self._have_begun.wait()
            if self.errors.get(prompt):
                raise self.errors[prompt].pop(0)
            yield pb.RunStreamResponse(id=request_id, text=prompt, finish_reason=pb.FINISH_REASON_STOP)
        finally:
            self._running.remove(prompt)


class FailingDisk(StoreThread):
    """A store whose first changes don't reach the disk."""

    def __init__(self, store, num_failures):
        super().__init__(store)
        self.num_failures = num_failures

    async def __call__(self, use, then=None):
        """Fails as often as it should, then works."""
        if self.num_failures:
            self.num_failures -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return await super().__call__(use, then)


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def store(tmp_path):
    return BatchStore(tmp_path / "batches.sqlite", ttl_s=60.0)


@contextlib.asynccontextmanager
async def running_lane(answers, thread, num_items, longest_pause_s=0.01, **engine_fields):
    """A lane for 3 items at once with a batch of some, "0", "1", ...; gives the engine and the results to come."""
    engine = SimpleNamespace(**({"num_recent_deaths": 0, "max_num_seqs": 3} | engine_fields))
    model: Any = SimpleNamespace(entry=SimpleNamespace(id="model"), engine=engine)
    requests = [pb.RunRequest(prompt=pb.Prompt(text=str(number))) for number in range(num_items)]
    items = [NewItem(None, request.SerializeToString()) for request in requests]
    batch_id = thread._store.create(NewBatch("acc", "model", items), now=1.0).id
    ends: asyncio.Queue[str] = asyncio.Queue()

    async def results():
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(num_items):
                await ends.get()
        found = await thread(lambda store: store.results(batch_id, 0, 1 << 20))
        return [batches_pb2.BatchResult.FromString(result) for _, result in found]

    def end(_model, outcome):
        answers.outcomes.append(outcome)
        ends.put_nowait(outcome)

    lane = Lane(
        model,
        lambda: ["model"],
        answers,
        thread,
        troubles=DiskTroubles(answers.troubles.append),
        clock=lambda: 2.0,
        on_end=end,
        longest_pause_s=longest_pause_s,
    )
    task = asyncio.create_task(lane.run())
    try:
        yield engine, results
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        lane.drop(lambda _: True)
        await lane.has_dropped(lambda _: True)
        thread.close()


async def test_items_are_answered_oldest_first_and_no_more_at_once_than_run(answers, store):
    answers.num_begun_first = 3
    async with asyncio.timeout(120), running_lane(answers, StoreThread(store), 8) as (_, results):
        texts = [result.response.text for result in await results()]
    assert texts == [str(number) for number in range(8)]
    assert [run[-1] for run in answers.runs] == texts
    assert max(map(len, answers.runs)) == 3


async def test_what_ran_when_the_engine_died_is_tried_again_alone(answers, store):
    dead = EngineFailedError("the engine failed")
    answers.errors = {"0": [dead], "1": [dead, dead], "2": [dead]}
    async with running_lane(answers, StoreThread(store), 5) as (_, results):
        found = await results()
    outcomes = [result.WhichOneof("outcome") for result in found]
    assert outcomes == ["response", "failure", "response", "response", "response"]
    assert found[1].failure.reason == "ENGINE_FAILED"
    again = [run for run in answers.runs if run[-1] in "012"][3:]
    assert sorted(again) == [("0",), ("1",), ("2",)]


async def test_what_finds_the_engine_not_ready_is_tried_until_it_is(answers, store):
    answers.errors = {"1": [ModelNotReadyError("the model is being loaded")] * 5}
    async with running_lane(answers, StoreThread(store), 3) as (_, results):
        assert [result.response.text for result in await results()] == ["0", "1", "2"]
    assert [run[-1] for run in answers.runs].count("1") == 6


async def test_what_nobody_foresaw_fails_its_item_without_a_word_of_it(answers, store):
    answers.errors = {"0": [KeyError("/home/alice/secret")]}
    async with running_lane(answers, StoreThread(store), 2) as (_, results):
        first, second = await results()
    assert (first.failure.reason, first.failure.message) == ("INTERNAL", "internal error")
    assert second.response.text == "1"


async def test_an_engine_that_keeps_dying_gets_no_items_until_it_lives(answers, store):
    thread = StoreThread(store)
    async with running_lane(answers, thread, 2, num_recent_deaths=3) as (engine, results):
        waiting = asyncio.ensure_future(results())
        for _ in range(100):
            await thread(lambda _: None)  # whatever the lane has asked before this is answered
        assert not answers.runs
        engine.num_recent_deaths = 2
        assert len(await waiting) == 2


async def test_items_that_come_back_are_tried_in_their_order_and_before_new_ones(answers, store):
    not_ready = ModelNotReadyError("the model is being loaded")
    answers.errors = {number: [not_ready] for number in "012"}
    answers.num_turns = {"0": 30, "1": 20, "2": 10}
    async with running_lane(answers, StoreThread(store), 5, longest_pause_s=0.2) as (_, results):
        assert len(await results()) == 5
    assert [run[-1] for run in answers.runs] == ["0", "1", "2", "0", "1", "2", "3", "4"]


async def test_the_pause_is_a_short_one_again_after_an_answer(answers, store):
    """If it went on to double, the last of these would wait for minutes."""
    answers.errors = {str(number): [ModelNotReadyError("not now")] for number in range(14)}
    async with running_lane(answers, StoreThread(store), 14, longest_pause_s=3600.0, max_num_seqs=1) as (_, results):
        assert len(await results()) == 14


async def test_a_suspect_that_finds_the_engine_not_ready_is_tried_alone_again_and_before_the_others(answers, store):
    dead, not_ready = EngineFailedError("the engine failed"), ModelNotReadyError("it is started again")
    answers.errors = {"0": [dead, not_ready], "1": [dead], "2": [dead]}
    async with running_lane(answers, StoreThread(store), 3) as (_, results):
        assert [result.response.text for result in await results()] == ["0", "1", "2"]
    assert answers.runs[3:] == [("0",), ("0",), ("1",), ("2",)]


async def test_an_item_whose_batch_is_gone_before_it_begins_is_not_asked(answers, store):
    class Late(StoreThread):
        """Lets all batches be deleted between the reading of their items and their beginning."""

        async def __call__(self, use, then=None):
            """Deletes behind the first page of items."""
            found = await super().__call__(use, then)
            if isinstance(found, list) and found:
                await super().__call__(lambda store: store._db.execute("DELETE FROM batches"))
            return found

    thread = Late(store)
    async with running_lane(answers, thread, 3):
        while await thread(lambda store: store._db.execute("SELECT count(*) FROM batches").fetchone()[0]):
            pass
        for _ in range(100):
            await thread(lambda _: None)
    assert not answers.runs


async def test_an_item_whose_batch_is_gone_before_it_ends_is_not_counted(answers, store):
    class Sooner(StoreThread):
        """Lets all batches be deleted just before an item gets its result."""

        async def __call__(self, use, then=None):
            """Deletes ahead of a change from which something follows."""
            if then is not None:
                await super().__call__(lambda store: store._db.execute("DELETE FROM batches"))
            return await super().__call__(use, then)

    thread = Sooner(store)
    async with running_lane(answers, thread, 3):
        while await thread(lambda store: store._db.execute("SELECT count(*) FROM batches").fetchone()[0]):
            pass
        for _ in range(100):
            await thread(lambda _: None)
    assert (len(answers.runs), answers.outcomes) == (3, [])


async def test_a_disk_that_is_full_for_a_while_costs_no_answer(answers, store):
    async with running_lane(answers, FailingDisk(store, num_failures=4), 2) as (_, results):
        assert [result.response.text for result in await results()] == ["0", "1"]
    assert len(answers.runs) == 2, "nothing is answered twice for it"
    assert answers.troubles == ["OperationalError"] * 4
