"""Batches are made of prompts and keywords, waited for, and read."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from runstream import AsyncClient, Client, DeadlineExceededError, MessageTooLargeError, Tool, make_request
from runstream.batch import Batch
from runstream.v1 import batches_pb2 as pb
from runstream.v1 import text_generation_pb2

from tests.support.fake_service import DEMO, FakeService, running


def test_a_batch_has_what_the_contract_tells_of_one():
    assert set(Batch.__dataclass_fields__) == {field.name for field in pb.Batch.DESCRIPTOR.fields}


async def test_items_are_prompts_keywords_or_messages_of_the_contract(fake):
    request = make_request("", prompt="three")
    items: list[Any] = [
        "one",
        {"prompt": "two", "seed": 2, "external_reference": "b"},
        request,
        pb.BatchItem(request=request),
    ]
    async with AsyncClient(fake.target, account="me") as client:
        batch = await client.batches.create(DEMO, items)
    sent = fake.new_batch
    assert (batch.id, batch.state, sent.account, sent.model) == ("batch-1", "queued", "", DEMO)
    assert fake.metadata["x-runstream-account"] == "me"
    assert [item.request.prompt.text for item in sent.items] == ["one", "two", "three", "three"]
    assert (sent.items[1].external_reference, sent.items[1].request.sampling_params.seed) == ("b", 2)
    assert not sent.items[0].HasField("external_reference")
    assert uuid.UUID(sent.request_id).int


async def test_what_is_wrong_in_an_item_is_refused_with_its_place(fake):
    with Client(fake.target) as client:
        with pytest.raises(TypeError, match=r"items\[1\]: a request takes no 'promt': did you mean prompt"):
            client.batches.create(DEMO, ["one", {"promt": "two"}])
        with pytest.raises(MessageTooLargeError, match="a batch can be several"):
            client.batches.create(DEMO, ["x" * 2**20] * 17)


async def test_half_a_character_in_an_item_is_refused_with_its_place(fake):
    with Client(fake.target) as client:
        for item in ({"messages": [{"role": "user", "content": "\ud800"}]}, {"prompt": "a", "tools": [Tool("\ud800")]}):
            with pytest.raises(ValueError, match=r"items\[1\]: .*surrogates not allowed"):
                client.batches.create(DEMO, ["one", item])


def test_keys_of_json_are_numbers_where_the_contract_wants_them():
    options = json.loads('{"prompt": "p", "logit_bias": {"12": -3}}')
    assert dict(make_request("", **options).sampling_params.logit_bias) == {12: -3.0}


async def test_waiting_tells_how_far_a_batch_is(fake):
    fake.batch.num_items = 3
    told = []

    def move(batch):
        told.append((batch.num_ended, batch.has_ended))
        fake.batch.num_succeeded += 1
        if fake.batch.num_succeeded == 3:
            fake.batch.state = pb.BATCH_STATE_DONE

    async with AsyncClient(fake.target) as client:
        assert (await client.batches.wait("batch-1", progress=move, poll_s=0)).has_ended
    assert told == [(0, False), (1, False), (2, False), (3, True)]


async def test_waiting_ends_at_its_deadline(fake):
    async with AsyncClient(fake.target) as client:
        with pytest.raises(DeadlineExceededError, match="and goes on"):
            await client.batches.wait("batch-1", timeout_s=0)
    with Client(fake.target) as other, pytest.raises(DeadlineExceededError, match="and goes on"):
        await asyncio.to_thread(lambda: other.batches.wait("batch-1", timeout_s=0))


class Telling(FakeService):
    """Tells how many seconds a question of it may take."""

    async def GetBatch(self, request, context):  # noqa: N802
        """Remembers them."""
        self.time_left_s = context.time_remaining()
        return await super().GetBatch(request, context)


@pytest.mark.parametrize(("timeout_s", "limit_s"), [(60, 60), (600, 120), (None, 120)])
async def test_a_question_ends_with_the_wait_or_before(timeout_s, limit_s):
    telling = Telling()
    telling.batch.state = pb.BATCH_STATE_DONE
    async with running(telling):
        async with AsyncClient(telling.target, timeout_s=120) as client:
            await client.batches.wait("batch-1", timeout_s=timeout_s)
        assert limit_s / 2 < telling.time_left_s <= limit_s + 1, "gRPC sends whole seconds, rounded up"
        with Client(telling.target, timeout_s=120) as other:
            await asyncio.to_thread(lambda: other.batches.wait("batch-1", timeout_s=timeout_s))
        assert limit_s / 2 < telling.time_left_s <= limit_s + 1, "gRPC sends whole seconds, rounded up"


class Silent(FakeService):
    """Answers as many questions for a batch as it is told to, and no other."""

    num_answers = 0

    async def GetBatch(self, request, context):  # noqa: N802
        """Answers, or never."""
        if not self.num_answers:
            await asyncio.Event().wait()
        self.num_answers -= 1
        return await super().GetBatch(request, context)


async def wait_for(client, timeout_s):
    """Waits by either client for the fake's batch."""
    if isinstance(client, AsyncClient):
        async with client:
            return await client.batches.wait("batch-1", poll_s=0, timeout_s=timeout_s)
    with client:
        return await asyncio.to_thread(lambda: client.batches.wait("batch-1", poll_s=0, timeout_s=timeout_s))


async def told_of(client, silent, num_answers, timeout_s):
    """The error of a wait, where the service answers so many looks."""
    silent.num_answers = num_answers
    with pytest.raises(DeadlineExceededError) as told:
        await wait_for(client, timeout_s)
    return told.value


@pytest.mark.parametrize("client_of", [Client, AsyncClient])
async def test_a_wait_that_ends_inside_a_look_tells_how_far_the_batch_was(client_of):
    silent = Silent()
    silent.batch.num_items = 3
    async with running(silent):
        seen = await told_of(client_of(silent.target), silent, 1, 2)
        unseen = await told_of(client_of(silent.target), silent, 0, 0.1)
        of_client = await told_of(client_of(silent.target, timeout_s=0.1), silent, 0, 60)
    assert str(seen) == "batch batch-1 has 0 of 3 results, and goes on: wait longer"
    assert str(unseen) == "batch batch-1 has not been seen in that time, and goes on: wait longer"
    assert isinstance(seen.__cause__, DeadlineExceededError)
    assert "goes on" not in str(of_client)


async def test_waiting_sleeps_no_longer_than_it_may(fake):
    async with AsyncClient(fake.target) as client:
        with pytest.raises(DeadlineExceededError):
            await client.batches.wait("batch-1", timeout_s=0.1, poll_s=10_000)
    with Client(fake.target) as other, pytest.raises(DeadlineExceededError):
        await asyncio.to_thread(lambda: other.batches.wait("batch-1", timeout_s=0.1, poll_s=10_000))


async def test_results_have_an_answer_or_an_error(fake):
    answer = text_generation_pb2.RunResponse(text='{"a": 1}', finish_reason=text_generation_pb2.FINISH_REASON_STOP)
    failure = pb.BatchItemFailure(reason="CONTEXT_WINDOW_EXCEEDED", message="too long")
    fake.pages = [
        [pb.BatchResult(index=0, external_reference="a", response=answer, is_json=True)],
        [pb.BatchResult(index=1, failure=failure)],
    ]
    async with AsyncClient(fake.target) as client:
        answered, failed = [result async for result in client.batches.results("batch-1")]
    assert (answered.index, answered.external_reference, answered.error) == (0, "a", None)
    assert answered.result is not None
    assert answered.result.parsed == {"a": 1}
    assert (failed.index, failed.external_reference, failed.result) == (1, None, None)
    assert repr(failed.error) == "ContextWindowExceededError('too long')"


def test_both_clients_do_with_batches_what_the_service_can(running_stack):
    async def ask():
        async with AsyncClient(running_stack.service_address, account="both") as client:
            batch = await client.batches.create(DEMO, ["one", "two"])
            listed = [one.id async for one in client.batches.list(page_size=1)]
            ended = await client.batches.wait(batch.id, poll_s=0.1)
            return listed, batch, ended, [one.index async for one in client.batches.results(batch.id)]

    listed, batch, ended, indices = asyncio.run(ask())
    assert (ended.num_succeeded, indices) == (2, [0, 1])
    with Client(running_stack.service_address, account="both") as client:
        assert [one.id for one in client.batches.list()] == listed == [batch.id]
        assert [one.index for one in client.batches.results(batch.id)] == [0, 1]
        assert client.batches.cancel(batch.id) == client.batches.get(batch.id)
        client.batches.delete(batch.id)
        assert list(client.batches.list()) == []
