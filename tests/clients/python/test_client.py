"""Both clients ask what they are told to and give back what was answered."""

import asyncio
import subprocess
import sys

import grpc
import pydantic
import pytest
from runstream import AsyncClient, CallCancelledError, Client, ModelNotFoundError, ToolCall, Usage
from runstream.models import Model
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import DEMO, failure, part


class City(pydantic.BaseModel):
    """A city."""

    name: str


def in_thread(fake, ask, **settings):
    """Asks the client that is not for asyncio, in a thread: the service has the event loop."""

    def work():
        with Client(fake.target, **settings) as client:
            return ask(client)

    return asyncio.to_thread(work)


async def test_a_whole_answer_has_what_the_service_says(fake):
    async with AsyncClient(fake.target) as client:
        result = await client.run(DEMO, prompt="p", seed=3)
    assert fake.request == pb.RunRequest(
        model=DEMO, prompt=pb.Prompt(text="p"), sampling_params=pb.SamplingParams(seed=3)
    )
    assert (result.text, result.finish_reason, result.usage) == ("New York", "stop", Usage(7, 3, 2))
    assert (result.id, result.served_model, result.raw) == ("fake", DEMO, fake.answer)
    assert await in_thread(fake, lambda client: client.run(DEMO, prompt="p", seed=3)) == result
    assert fake.requests[0] == fake.requests[1]


async def test_a_call_carries_the_token_and_the_callers_id(fake):
    async with AsyncClient(fake.target, token="secret") as client:
        await client.run(DEMO, prompt="p", request_id="mine")
    assert (fake.metadata["authorization"], fake.metadata["x-runstream-request-id"]) == ("Bearer secret", "mine")


@pytest.mark.parametrize("request_id", ["", "two words", "x" * 129])
async def test_an_id_that_the_service_would_not_take_is_refused(fake, request_id):
    async with AsyncClient(fake.target) as client:
        with pytest.raises(ValueError, match="request_id"):
            await client.run(DEMO, prompt="p", request_id=request_id)
    assert not fake.requests


async def test_calls_of_tools_are_told_with_their_arguments(fake):
    fake.answer.tool_calls.add(id="1", name="Weather", arguments_json='{"city": "Köln"}')
    fake.answer.finish_reason = pb.FINISH_REASON_TOOL_CALLS
    async with AsyncClient(fake.target) as client:
        result = await client.run(DEMO, prompt="p")
        (call,) = result.tool_calls
        await client.run(DEMO, messages=[result.message, {"role": "tool", "content": "rain", "tool_call_id": call.id}])
    assert (call.name, call.arguments) == ("Weather", {"city": "Köln"})
    assert list(fake.requests[1].conversation.messages[0].tool_calls) == list(fake.answer.tool_calls)


def test_the_arguments_of_a_call_without_any_are_none():
    assert ToolCall("1", "f", "").arguments == {}


async def test_an_answer_in_a_form_is_parsed(fake):
    fake.answer.text = '{"name": "Köln"}'
    async with AsyncClient(fake.target) as client:
        assert (await client.run(DEMO, prompt="p", response_format=City)).parsed == City(name="Köln")
        assert (await client.run(DEMO, prompt="p", response_format="json_object")).parsed == {"name": "Köln"}
        assert (await client.run(DEMO, prompt="p")).parsed is None


async def test_an_answer_that_is_no_whole_value_says_why_when_it_is_parsed(fake):
    fake.answer.text, fake.answer.finish_reason = '{"na', pb.FINISH_REASON_LENGTH
    async with AsyncClient(fake.target) as client:
        cut = await client.run(DEMO, prompt="p", response_format=City)
        fake.answer.tool_calls.add(name="Weather")
        called = await client.run(DEMO, prompt="p", response_format=City)
    with pytest.raises(ValueError, match="max_tokens cut the answer at 3 tokens"):
        _ = cut.parsed
    with pytest.raises(ValueError, match="see tool_calls"):
        _ = called.parsed


async def test_what_is_newer_than_the_client_is_unknown(fake):
    fake.answer.finish_reason = fake.model.state = fake.batch.state = fake.model.speculative_method = 99
    fake.parts = [part("", finish_reason=99)]
    async with AsyncClient(fake.target) as client:
        assert (await client.run(DEMO, prompt="p")).finish_reason == "unknown"
        assert (await anext(client.stream(DEMO, prompt="p"))).finish_reason == "unknown"
        model = await client.models.get(DEMO)
        assert (model.state, model.speculative_method) == ("unknown", "unknown")
        assert (await client.batches.get("batch-1")).state == "unknown"


# An interrupt between gRPC's sending of a request and the start of its thread leaves it waiting for that thread.
INTERRUPTED_WAIT = """
import os, signal, sys, threading, traceback, runstream

def interrupt():
    sys.stdin.readline()
    main = threading.main_thread().ident
    while "result" not in [frame.name for frame in traceback.extract_stack(sys._current_frames()[main])]:
        pass
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    runstream.Client(sys.argv[1]).run("m", prompt="p")
except KeyboardInterrupt:
    sys.stdin.read()  # lives on, so that its end does not cancel the call
    raise
"""


async def test_an_interrupt_cancels_the_call(fake):
    fake.gate.clear()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", INTERRUPTED_WAIT, fake.target, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    await fake.started.wait()
    assert process.stdin
    process.stdin.write(b"now\n")
    await fake.cancelled.wait()
    _, said = await process.communicate(b"")
    assert said.rstrip().endswith(b"KeyboardInterrupt")


async def test_cancelling_the_task_cancels_the_call(fake):
    fake.gate.clear()
    async with AsyncClient(fake.target) as client:
        task = asyncio.create_task(client.run(DEMO, prompt="p"))
        await fake.started.wait()
        task.cancel()
        await fake.cancelled.wait()
        assert (await asyncio.gather(task, return_exceptions=True))[0].__class__ is asyncio.CancelledError


async def test_closing_the_client_ends_its_calls_with_an_error_and_cancels_no_task(fake):
    fake.gate.clear()
    client = AsyncClient(fake.target)
    task = asyncio.create_task(client.run(DEMO, prompt="p"))
    await fake.started.wait()
    await client.close()
    with pytest.raises(CallCancelledError):
        await task


def test_a_model_has_what_the_contract_tells_of_one():
    assert set(Model.__dataclass_fields__) == {field.name for field in models_pb2.Model.DESCRIPTOR.fields}


async def test_a_model_tells_how_it_drafts(fake):
    fake.model.speculative_method, fake.model.speculative_detail = models_pb2.SPECULATIVE_METHOD_NONE, "with overlap"
    async with AsyncClient(fake.target) as client:
        model = await client.models.get(DEMO)
    assert (model.speculative_method, model.speculative_detail) == ("none", "with overlap")


async def test_models_are_listed_page_by_page(fake):
    fake.other_models = [models_pb2.Model(id=str(n), state=models_pb2.MODEL_STATE_UNLOADED) for n in range(4)]
    fake.models_per_page = 2
    async with AsyncClient(fake.target) as client:
        models = [model async for model in client.models.list()]
    assert [(model.id, model.state) for model in models] == [(DEMO, "ready"), *((str(n), "unloaded") for n in range(4))]
    assert await in_thread(fake, lambda client: list(client.models.list())) == models


async def test_models_are_told_loaded_and_unloaded(fake):
    async with AsyncClient(fake.target) as client:
        models = client.models
        told = [await models.get(DEMO), await models.load(DEMO), await models.unload(DEMO)]
    assert [model.default_max_tokens_streamed for model in told] == [1800] * 3
    assert told == await in_thread(fake, lambda c: [c.models.get(DEMO), c.models.load(DEMO), c.models.unload(DEMO)])


async def test_a_failure_is_the_same_error_in_both_clients(fake):
    fake.model_status = failure(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", "No such model")
    async with AsyncClient(fake.target) as client:
        with pytest.raises(ModelNotFoundError, match="No such model"):
            await client.models.get(DEMO)
    with pytest.raises(ModelNotFoundError, match="No such model"):
        await in_thread(fake, lambda client: client.models.get(DEMO))
