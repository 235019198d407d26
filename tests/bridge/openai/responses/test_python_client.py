"""OpenAI's own Python client on `responses`, with nothing changed but its base URL."""

import asyncio
import json
from typing import Any

import grpc
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import DEMO, USAGE, failure, last_part, part
from tests.support.openai_asking import BASES, IN_ACCOUNT, V1, read_named_events, respond

ASKED: dict[str, Any] = {"model": DEMO, "input": "where is new york?"}
ADD: dict[str, Any] = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": True}
CALL: dict[str, Any] = {"id": "chatcmpl-tool-1", "name": "add", "arguments_json": '{"n":4}'}
CALLING: dict[str, Any] = {"finish_reason": pb.FINISH_REASON_TOOL_CALLS, "usage": USAGE}
CUT: dict[str, Any] = {"finish_reason": pb.FINISH_REASON_LENGTH, "usage": USAGE}
TOKEN = pb.TokenLogprob(token=b"New", logprob=-0.5, top=[pb.TopLogprob(token=b"Old", logprob=-1.5)])
PATIENCE_S = 120


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


async def final_of(client, **fields):
    """What the client's stream helper puts together."""
    async with client.responses.stream(**{**ASKED, **fields}) as stream:
        return await stream.get_final_response()


async def all_events(client, **fields):
    """All events of a stream."""
    return [event async for event in await client.responses.create(**ASKED, **fields, stream=True)]


async def test_an_answer(client):
    response = await client.responses.create(**ASKED)
    assert (response.output_text, response.status, response.model) == ("New York", "completed", DEMO)
    assert (response.store, response.previous_response_id, response.error) == (False, None, None)
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (7, 3, 10)
    assert response.usage.input_tokens_details.cached_tokens == 2


async def test_the_ids_lead_to_the_request(client, service):
    response = await client.responses.create(**ASKED)
    request_id = service.metadata["x-runstream-request-id"]
    assert response._request_id == request_id
    assert response.id == f"resp_{request_id.replace('-', '')}"


async def test_a_stream_has_the_events_that_openai_names_in_their_order(client):
    events = await all_events(client)
    assert [event.type.removeprefix("response.") for event in events] == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done", "completed"),
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "New York"


@pytest.mark.parametrize(
    "parts",
    [
        [part("New"), part(" York"), last_part()],
        [part("", logprobs=[TOKEN]), part("New", logprobs=[TOKEN]), last_part(logprobs=[TOKEN])],
        [part("", reasoning_content="Hm"), part("", reasoning_content="."), last_part("a")],
        [last_part(reasoning_content="Hm", **CUT)],
        [part("a"), part("", tool_calls=[pb.ToolCallDelta(index=0, **CALL)]), last_part(**CALLING)],
        [last_part("half", **CUT)],
        [last_part()],
    ],
)
async def test_each_event_and_the_whole_answer_are_what_the_types_say(bridge, service, parts):
    service.parts = parts
    asked: dict[str, Any] = {"include": ["message.output_text.logprobs"], "tools": [ADD], "instructions": "Be kind."}
    streamed = await respond(bridge, **asked, stream=True)
    for name, event in read_named_events(streamed.body):
        assert event["type"] == name
        TypeAdapter(ResponseStreamEvent).validate_python(event)
    Response.model_validate_json((await respond(bridge, **asked)).body, strict=False)


async def test_the_stream_helper_puts_the_answer_together(client):
    whole = await client.responses.create(**ASKED)
    final = await final_of(client)
    assert final.output_text == whole.output_text == "New York"
    assert final.usage == whole.usage


async def test_tool_calls_whole_and_streamed_are_the_same(client, service):
    service.answer = pb.RunResponse(served_model=DEMO, tool_calls=[pb.ToolCall(**CALL)], **CALLING)
    begun = {**CALL, "arguments_json": '{"n"'}
    service.parts = [
        part("", tool_calls=[pb.ToolCallDelta(index=0, **begun)]),
        part("", tool_calls=[pb.ToolCallDelta(index=0, arguments_json=":4}")]),
        last_part(**CALLING),
    ]
    whole = await client.responses.create(**ASKED, tools=[ADD])
    streamed = await final_of(client, tools=[ADD])
    for response in (whole, streamed):
        (call,) = response.output
        assert (call.type, call.name, call.call_id, call.status) == (
            *("function_call", "add", "chatcmpl-tool-1", "completed"),
        )
        assert json.loads(call.arguments) == {"n": 4}
        assert response.status == "completed"


async def test_text_and_several_calls_are_items_one_after_the_other(client, service):
    calls = [pb.ToolCallDelta(index=index, **{**CALL, "id": f"call-{index}"}) for index in range(2)]
    service.parts = [part("Let me see."), part("", tool_calls=calls), last_part(**CALLING)]
    final = await final_of(client, tools=[ADD])
    assert [item.type for item in final.output] == ["message", "function_call", "function_call"]
    assert [item.call_id for item in final.output[1:]] == ["call-0", "call-1"]
    alone = await final_of(client, tools=[ADD], parallel_tool_calls=False)
    assert [item.type for item in alone.output] == ["message", "function_call"]
    assert len({item.id for item in final.output}) == 3


async def test_a_structured_answer_is_parsed_whole_and_streamed(client, service):
    service.answer.text = '{"n": 4}'
    service.parts = [part('{"n": '), last_part("4}")]
    response = await client.responses.parse(**ASKED, text_format=Sum)
    streamed = await final_of(client, text_format=Sum)
    assert response.output_parsed == streamed.output_parsed == Sum(n=4)
    assert json.loads(service.requests[0].response_format.json_schema)["properties"].keys() == {"n"}


async def test_a_cut_answer_is_incomplete_whole_and_streamed(client, service):
    service.answer.finish_reason = pb.FINISH_REASON_LENGTH
    service.parts = [part("New"), last_part(" York", **CUT)]
    whole = await client.responses.create(**ASKED, max_output_tokens=3)
    *_, end = await all_events(client, max_output_tokens=3)
    assert end.type == "response.incomplete"
    for response in (whole, end.response):
        assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert (response.output_text, response.output[0].status) == ("New York", "incomplete")
    assert service.requests[0].sampling_params.max_tokens == 3


async def test_log_probabilities_whole_and_streamed(client, service):
    service.answer.logprobs.extend([TOKEN, TOKEN])
    service.parts = [part("New", logprobs=[TOKEN]), last_part(" York", logprobs=[TOKEN])]
    asked: dict[str, Any] = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    whole = (await client.responses.create(**ASKED, **asked)).output[0].content[0].logprobs
    streamed = (await final_of(client, **asked)).output[0].content[0].logprobs
    assert whole == streamed
    assert [(entry.token, entry.logprob, entry.top_logprobs[0].token) for entry in whole] == [("New", -0.5, "Old")] * 2


async def test_thinking_is_an_item_before_the_answer_whole_and_streamed(client, service):
    usage = pb.Usage(prompt_tokens=7, completion_tokens=5, reasoning_tokens=2)
    service.answer.reasoning_content = "Hm, well."
    service.answer.usage.CopyFrom(usage)
    service.parts = [part("", reasoning_content="Hm,"), part("", reasoning_content=" well."), part("New")]
    service.parts.append(last_part(" York", usage=usage))
    whole = await client.responses.create(**ASKED, reasoning={"effort": "high"})
    final = await final_of(client, reasoning={"effort": "high"})
    for response in (whole, final):
        thought, message = response.output
        assert (thought.type, thought.content[0].text, thought.summary) == ("reasoning", "Hm, well.", [])
        assert (message.content[0].text, response.output_text) == ("New York", "New York")
        assert response.usage.output_tokens_details.reasoning_tokens == 2
        assert response.reasoning.effort == "high"
    assert {request.reasoning_effort for request in service.requests} == {"high"}
    events = [event.type for event in await all_events(client) if "reasoning" in event.type]
    assert events == [*["response.reasoning_text.delta"] * 2, "response.reasoning_text.done"]


async def test_an_answer_can_be_sent_back_as_it_is(client, service):
    service.answer.reasoning_content = "Hm."
    service.answer.tool_calls.append(pb.ToolCall(**CALL))
    service.answer.finish_reason = pb.FINISH_REASON_TOOL_CALLS
    response = await client.responses.create(**ASKED, tools=[ADD])
    output = {"type": "function_call_output", "call_id": response.output[-1].call_id, "output": "4"}
    await client.responses.create(model=DEMO, tools=[ADD], input=[*response.output, output])
    assistant, tool = service.requests[-1].conversation.messages
    assert (assistant.content[0].text, assistant.tool_calls[0].id) == ("New York", "chatcmpl-tool-1")
    assert assistant.reasoning_content == "Hm."
    assert (tool.role, tool.tool_call_id, tool.content[0].text) == ("tool", "chatcmpl-tool-1", "4")


@pytest.mark.parametrize(
    ("base", "reason", "kind", "code"),
    [
        (V1, "MODEL_NOT_FOUND", openai.NotFoundError, "model_not_found"),
        (V1, "CONTEXT_WINDOW_EXCEEDED", openai.BadRequestError, "context_length_exceeded"),
        (V1, "QUEUE_FULL", openai.RateLimitError, "rate_limit_exceeded"),
        (IN_ACCOUNT, "QUEUE_FULL", openai.RateLimitError, None),
    ],
)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_failures_are_the_exceptions_that_users_expect(bridge, service, base, reason, kind, code, is_streamed):
    service.parts, service.status = [], failure(grpc.StatusCode.UNKNOWN, reason, "why")
    async with openai.AsyncOpenAI(**settings(bridge, base)) as client:
        with pytest.raises(kind) as caught:
            await client.responses.create(**ASKED, stream=is_streamed)
    assert caught.value.code == code


async def test_what_is_not_kept_is_refused_with_the_field_and_the_reason(bridge):
    async with openai.AsyncOpenAI(**settings(bridge)) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.create(**ASKED, previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"
    assert "responses are not kept here" in caught.value.message


@pytest.mark.parametrize("ask", [all_events, final_of])
async def test_a_stream_that_fails_midway_raises(client, service, ask):
    service.parts = [part("New")]
    service.status = failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "The engine failed.")
    with pytest.raises(openai.APIError, match=r"The engine failed\.") as caught:
        await ask(client)
    assert caught.value.type == "server_error"


async def test_behind_the_error_comes_the_response_that_failed(bridge, service):
    service.parts = [part("New")]
    service.status = failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "The engine failed.")
    *_, (_, error), (name, failed) = read_named_events((await respond(bridge, stream=True)).body)
    assert (name, failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"] == {"code": "server_error", "message": error["message"]}
    (message,) = failed["response"]["output"]
    assert (message["status"], message["content"][0]["text"]) == ("incomplete", "New")
    for event in (error, failed):
        TypeAdapter(ResponseStreamEvent).validate_python(event)


async def test_a_client_that_leaves_cancels_the_completion(client, service):
    service.gate.clear()
    async with asyncio.timeout(PATIENCE_S):
        stream = await client.responses.create(**ASKED, stream=True)
        await anext(aiter(stream))
        await stream.close()
        await service.cancelled.wait()


async def test_whoever_leaves_behind_the_last_event_has_had_an_answer(bridge, caplog):
    caplog.set_level("INFO")
    async with openai.AsyncOpenAI(**settings(bridge)) as client:
        async for event in await client.responses.create(**ASKED, stream=True):
            if event.type == "response.completed":
                break
    await bridge.runner.cleanup()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "bridge.http.access_log"]
    assert "status=200" in line
    assert "error=''" in line
