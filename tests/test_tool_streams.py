"""Calls in each family's own format through the whole chain: streamed as they are written, the same as whole."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.config import Config
from service.output.completion import join
from tests.support.running_bridge import Bridge, running_bridge
from tests.support.running_service import RunningService, config, run_service
from tests.support.scripted_calls import SCRIPTS, save_models

pytestmark = pytest.mark.asyncio(loop_scope="session")
names = pytest.mark.parametrize("name", SCRIPTS)

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris"]}, "days": {"enum": [4]}},
    "required": ["city", "days"],
}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "", "parameters": PARAMETERS}}
ASK: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Paris?"}],
    "tools": [TOOL],
    "temperature": 0,
    "max_tokens": 64,
}
ARGUMENTS = '{"city": "Paris", "days": 4}'


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningService]:
    catalog = save_models(tmp_path_factory.mktemp("calls"))
    async with run_service(config(catalog, models=tuple(f"@test/{name}" for name in SCRIPTS))) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def callers(service: RunningService) -> AsyncIterator[Bridge]:
    async with running_bridge(Config(service=f"127.0.0.1:{service.service.port}")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(callers: Bridge) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{callers.url}/v1", api_key="none") as made:
        yield made


@names
@pytest.mark.parametrize("choice", ["auto", "required"])
async def test_openais_client_gets_a_name_and_then_arguments_as_they_are_written(client, name, choice):
    asked = {**ASK, "model": f"@test/{name}", "tool_choice": choice}
    whole = (await client.chat.completions.create(**asked)).choices[0]
    (call,) = whole.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", ARGUMENTS)
    assert (whole.message.content or "", whole.finish_reason) == (
        SCRIPTS[name].said if choice == "auto" else "",
        "tool_calls",
    )
    chunks = [chunk.choices[0] async for chunk in await client.chat.completions.create(**asked, stream=True)]
    deltas = [delta for chunk in chunks for delta in chunk.delta.tool_calls or ()]
    first, *others = deltas
    assert (first.index, first.type, first.function.name, first.function.arguments) == (
        0,
        "function",
        "get_weather",
        "",
    )
    assert first.id
    assert all((delta.index, delta.id, delta.function.name) == (0, None, None) for delta in others)
    pieces = [delta.function.arguments for delta in others]
    assert "".join(pieces) == ARGUMENTS
    assert "".join(chunk.delta.content or "" for chunk in chunks) == (whole.message.content or "")
    assert chunks[-1].finish_reason == "tool_calls"


@names
async def test_a_model_whose_template_writes_calls_is_said_to_call_tools(service, name):
    described = await service.models.GetModel(models_pb2.GetModelRequest(model=f"@test/{name}"))
    assert described.model.can_call_tools


@names
async def test_the_native_route_tells_the_call_and_what_is_said_before_it(callers, name):
    answer = await callers.ask("POST", f"/client/v4/accounts/acc/ai/run/@test/{name}", json=ASK)
    result = json.loads(answer.body)["result"]
    assert result["tool_calls"] == [{"name": "get_weather", "arguments": {"city": "Paris", "days": 4}}]
    assert (result["response"], result["finish_reason"]) == (SCRIPTS[name].said or None, "tool_calls")


@names
async def test_a_call_that_max_tokens_cuts_is_text_on_every_face_and_its_beginning_a_call_in_streams(
    service, callers, name
):
    num_tokens = next(place for place, piece in enumerate(SCRIPTS[name].pieces) if "ys" in piece)
    body = {**ASK, "max_tokens": num_tokens}
    answer = await callers.ask("POST", f"/client/v4/accounts/acc/ai/run/@test/{name}", json=body)
    result = json.loads(answer.body)["result"]
    assert (result["tool_calls"], result["finish_reason"]) == ([], "length")
    assert "get_weather" in result["response"]
    request = pb.RunRequest(
        model=f"@test/{name}",
        conversation=pb.Conversation(messages=[pb.Message(role="user", content=[pb.ContentPart(text="Paris?")])]),
        tools=[pb.Tool(name="get_weather", parameters_json=json.dumps(PARAMETERS))],
        sampling_params=pb.SamplingParams(temperature=0, max_tokens=num_tokens),
    )
    told = join([part async for part in service.text_generation.RunStream(request)])
    (call,) = told.tool_calls
    assert (told.text, told.finish_reason) == (result["response"], pb.FINISH_REASON_LENGTH)
    assert call.arguments_json.startswith('{"city": "Paris"')
    assert ARGUMENTS.startswith(call.arguments_json)
