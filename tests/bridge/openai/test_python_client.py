"""OpenAI's own Python client, with nothing changed but its base URL."""

import asyncio
import json
from typing import Any

import grpc
import openai
import pytest
from pydantic import BaseModel
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import DEMO, USAGE, failure, last_part, part
from tests.support.openai_asking import BASES, CHAT, IN_ACCOUNT, V1

ASKED: dict[str, Any] = CHAT
CALL: dict[str, Any] = {"id": "chatcmpl-tool-1", "name": "add", "arguments_json": '{"n":4}'}
CALLING: dict[str, Any] = {"finish_reason": pb.FINISH_REASON_TOOL_CALLS, "usage": USAGE}
TOKEN = pb.TokenLogprob(token=b"New", logprob=-0.5, top=[pb.TopLogprob(token=b"Old", logprob=-1.5)])


class Sum(BaseModel):
    """What a structured answer is read into."""

    n: int


def settings(bridge, base=V1):
    """What a user of the client sets. It is not to ask again: tests want to see what the first answer was."""
    return {"base_url": bridge.url + base, "api_key": "none", "max_retries": 0}


@pytest.fixture(params=BASES)
async def client(bridge, request):
    """The asynchronous client, of both bases."""
    async with openai.AsyncOpenAI(**settings(bridge, request.param)) as client:
        yield client


async def test_an_answer(client):
    completion = await client.chat.completions.create(**ASKED)
    assert completion.choices[0].message.content == "New York"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens == 10


async def test_the_request_id_is_the_one_in_the_log(client, service):
    completion = await client.chat.completions.create(**ASKED)
    assert completion._request_id == service.metadata["x-runstream-request-id"]


def ask_synchronously(base_url: str) -> str:
    """Asks, and asks for a stream, with the client that blocks."""
    with openai.OpenAI(base_url=base_url, api_key="none") as client:
        whole = client.chat.completions.create(**ASKED).choices[0].message.content
        chunks = list(client.chat.completions.create(**ASKED, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    return whole


async def test_the_client_that_blocks(bridge):
    assert await asyncio.to_thread(ask_synchronously, bridge.url + V1) == "New York"


async def test_a_stream(client):
    stream = await client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "New York"
    assert chunks[-1].usage.completion_tokens == 3


async def test_the_stream_helper_puts_the_answer_together(client):
    async with client.chat.completions.stream(**ASKED, stream_options={"include_usage": True}) as stream:
        deltas = [event.delta async for event in stream if event.type == "content.delta"]
        final = await stream.get_final_completion()
    assert deltas == ["New", " York"]
    assert final.choices[0].message.content == "New York"
    assert final.choices[0].finish_reason == "stop"
    assert final.usage.total_tokens == 10


async def test_tool_calls_whole_and_streamed_are_the_same(client, service):
    service.answer = pb.RunResponse(served_model=DEMO, tool_calls=[pb.ToolCall(**CALL)], **CALLING)
    service.parts = [part("", tool_calls=[pb.ToolCallDelta(index=0, **CALL)]), last_part(**CALLING)]
    asked = {**ASKED, "tools": [{"type": "function", "function": {"name": "add"}}]}
    (call,) = (await client.chat.completions.create(**asked)).choices[0].message.tool_calls
    async with client.chat.completions.stream(**asked) as stream:
        final = (await stream.get_final_completion()).choices[0]
    (streamed,) = final.message.tool_calls
    assert call.function.name == streamed.function.name == "add"
    assert json.loads(call.function.arguments) == json.loads(streamed.function.arguments) == {"n": 4}
    assert call.id == streamed.id == "chatcmpl-tool-1"
    assert final.finish_reason == "tool_calls"


async def test_a_structured_answer_is_parsed_whole_and_streamed(client, service):
    service.answer.text = '{"n": 4}'
    service.parts = [part('{"n": '), last_part("4}")]
    completion = await client.chat.completions.parse(**ASKED, response_format=Sum)
    async with client.chat.completions.stream(**ASKED, response_format=Sum) as stream:
        streamed = await stream.get_final_completion()
    assert completion.choices[0].message.parsed == streamed.choices[0].message.parsed == Sum(n=4)
    assert json.loads(service.requests[0].response_format.json_schema)["properties"].keys() == {"n"}


async def test_log_probabilities_whole_and_streamed(client, service):
    service.answer.logprobs.append(TOKEN)
    service.parts = [part("New", logprobs=[TOKEN]), last_part()]
    completion = await client.chat.completions.create(**ASKED, logprobs=True, top_logprobs=1)
    (entry,) = completion.choices[0].logprobs.content
    async with client.chat.completions.stream(**ASKED, logprobs=True, top_logprobs=1) as stream:
        (streamed,) = (await stream.get_final_completion()).choices[0].logprobs.content
    assert entry == streamed
    assert (entry.token, entry.logprob, entry.top_logprobs[0].token) == ("New", -0.5, "Old")


async def test_several_choices_whole_and_streamed(client):
    completion = await client.chat.completions.create(**ASKED, n=2)
    async with client.chat.completions.stream(**ASKED, n=2) as stream:
        streamed = await stream.get_final_completion()
    for answer in (completion, streamed):
        assert [(choice.index, choice.message.content) for choice in answer.choices] == [
            (0, "New York"),
            (1, "New York"),
        ]


async def test_stop_sequences_reach_the_service(client, service):
    await client.chat.completions.create(**ASKED, stop=["\n", "."])
    assert service.request.stop_sequences == ["\n", "."]


async def test_models_are_listed_and_told_about(client):
    listed = [model.id async for model in client.models.list()]
    assert listed == [(await client.models.retrieve(DEMO)).id] == [DEMO]


async def test_text_completions_whole_and_streamed(client, service):
    service.answer.logprobs.append(TOKEN)
    completion = await client.completions.create(model=DEMO, prompt="New York is", logprobs=1)
    assert completion.choices[0].text == "New York"
    assert completion.choices[0].logprobs.top_logprobs == [{"New": -0.5, "Old": -1.5}]
    stream = await client.completions.create(model=DEMO, prompt="New York is", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "New York"


@pytest.mark.parametrize(
    ("base", "reason", "kind", "code"),
    [
        (V1, "INVALID_REQUEST", openai.BadRequestError, None),
        (V1, "MODEL_NOT_FOUND", openai.NotFoundError, "model_not_found"),
        (V1, "CONTEXT_WINDOW_EXCEEDED", openai.BadRequestError, "context_length_exceeded"),
        (V1, "QUEUE_FULL", openai.RateLimitError, "rate_limit_exceeded"),
        (V1, "MODEL_NOT_READY", openai.InternalServerError, "service_unavailable"),
        (V1, "DEADLINE_EXCEEDED", openai.APIStatusError, "timeout"),
        (IN_ACCOUNT, "INVALID_REQUEST", openai.BadRequestError, None),
        (IN_ACCOUNT, "MODEL_NOT_FOUND", openai.BadRequestError, None),
        (IN_ACCOUNT, "QUEUE_FULL", openai.RateLimitError, None),
        (IN_ACCOUNT, "MODEL_NOT_READY", openai.InternalServerError, None),
    ],
)
async def test_failures_are_the_exceptions_that_users_expect(bridge, service, base, reason, kind, code):
    service.status = failure(grpc.StatusCode.UNKNOWN, reason, "why")
    async with openai.AsyncOpenAI(**settings(bridge, base)) as client:
        with pytest.raises(kind) as caught:
            await client.chat.completions.create(**ASKED)
    assert caught.value.code == code


async def test_a_wrong_field_is_a_bad_request_that_names_it(bridge):
    async with openai.AsyncOpenAI(**settings(bridge)) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(**{**ASKED, "temperature": 9})
    assert caught.value.param == "temperature"
    assert "'/temperature' must be <= 5" in caught.value.message


async def test_a_stream_that_fails_midway_raises(client, service):
    service.parts = [part("New")]
    service.status = failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "The engine failed.")
    with pytest.raises(openai.APIError, match=r"The engine failed\."):
        async for _ in await client.chat.completions.create(**ASKED, stream=True):
            pass
