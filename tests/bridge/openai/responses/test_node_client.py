"""OpenAI's own client for Node.js on `responses`, with nothing changed but its base URL."""

import asyncio
from typing import Any

import grpc
import pytest
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import DEMO, USAGE, failure, last_part, part
from tests.support.openai_asking import BASES, V1

CALL: dict[str, Any] = {"id": "chatcmpl-tool-1", "name": "add", "arguments_json": '{"n":4}'}
CALLING: dict[str, Any] = {"finish_reason": pb.FINISH_REASON_TOOL_CALLS, "usage": USAGE}
TOKEN = pb.TokenLogprob(token=b"New", logprob=-0.5, top=[pb.TopLogprob(token=b"Old", logprob=-1.5)])
PATIENCE_S = 60


@pytest.fixture(params=BASES)
def check(bridge, node, request):
    """Lets the client do one thing, with both bases."""

    async def run(name):
        return await asyncio.to_thread(node, "responses_checks.mjs", bridge.url + request.param, name)

    return run


@pytest.fixture
def check_v1(bridge, node):
    """Lets the client do one thing, with OpenAI's own base."""

    async def run(name):
        return await asyncio.to_thread(node, "responses_checks.mjs", bridge.url + V1, name)

    return run


async def test_whole_and_streamed_are_the_same(check):
    whole, streamed = await check("whole"), await check("helper")
    assert whole["output_text"] == streamed["output_text"] == "New York"
    assert whole["usage"] == streamed["usage"]
    assert whole["status"] == streamed["status"] == "completed"


async def test_the_events_are_numbered_and_end_with_the_response(check_v1):
    events = await check_v1("events")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")


async def test_tool_calls_whole_and_streamed_are_the_same(check_v1, service):
    service.answer = pb.RunResponse(served_model=DEMO, tool_calls=[pb.ToolCall(**CALL)], **CALLING)
    calls = [pb.ToolCallDelta(index=index, **{**CALL, "id": f"call-{index}"}) for index in range(2)]
    service.parts = [part("See:"), part("", tool_calls=calls), last_part(**CALLING)]
    items = await check_v1("tools")
    (whole,) = items["whole"]
    assert (whole["type"], whole["name"], whole["arguments"]) == ("function_call", "add", '{"n":4}')
    assert [item["type"] for item in items["streamed"]] == ["message", "function_call", "function_call"]
    assert [item["parsed_arguments"] for item in items["streamed"][1:]] == [{"n": 4}] * 2


async def test_thinking_is_an_item_before_the_answer(check_v1, service):
    service.answer.reasoning_content = "Hm."
    service.parts = [part("", reasoning_content="Hm"), part("", reasoning_content="."), last_part("New York")]
    for name in ("whole", "helper"):
        response = await check_v1(name)
        thought, message = response["output"]
        assert thought["content"] == [{"type": "reasoning_text", "text": "Hm."}]
        assert message["content"][0]["text"] == response["output_text"] == "New York"


async def test_structured_answers_whole_and_streamed(check_v1, service):
    service.answer.text = '{"n": 4}'
    service.parts = [part('{"n": '), last_part("4}")]
    assert await check_v1("structured") == {"whole": {"n": 4}, "streamed": {"n": 4}}


async def test_log_probabilities_whole_and_streamed(check_v1, service):
    service.answer.logprobs.append(TOKEN)
    service.parts = [part("New", logprobs=[TOKEN]), last_part()]
    entries = await check_v1("logprobs")
    assert entries["whole"] == entries["streamed"]
    assert entries["whole"][0]["token"] == "New"


async def test_a_cut_answer_is_incomplete(check_v1, service):
    service.answer.finish_reason = pb.FINISH_REASON_LENGTH
    service.parts = [last_part("New", finish_reason=pb.FINISH_REASON_LENGTH)]
    told = await check_v1("incomplete")
    assert told["whole"] == ["incomplete", "max_output_tokens"]
    assert told["streamed"][0] == "response.incomplete"


async def test_an_answer_can_be_sent_back_as_it_is(check_v1, service):
    service.answer.tool_calls.append(pb.ToolCall(**CALL))
    assert await check_v1("again") == "completed"
    assistant, tool = service.requests[-1].conversation.messages
    assert (assistant.tool_calls[0].id, tool.tool_call_id) == ("chatcmpl-tool-1", "chatcmpl-tool-1")


@pytest.mark.parametrize("name", ["failure", "helperFailure"])
async def test_a_stream_that_fails_midway_throws(check_v1, service, name):
    service.parts = [part("New")]
    service.status = failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "The engine failed.")
    thrown = await check_v1(name)
    assert thrown["name"] == "APIError"
    assert "The engine failed." in thrown["message"]


async def test_a_full_queue_is_a_rate_limit(check, service):
    service.parts = []
    service.status = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "full", retry_after_s=1)
    thrown = await check("failure")
    assert (thrown["name"], thrown["status"]) == ("RateLimitError", 429)


async def test_what_is_not_kept_is_refused_with_its_field(check_v1):
    thrown = await check_v1("refused")
    assert (thrown["name"], thrown["param"]) == ("BadRequestError", "previous_response_id")


async def test_a_client_that_leaves_cancels_the_completion(check_v1, service):
    service.gate.clear()
    assert await check_v1("leaving") == "response.created"
    async with asyncio.timeout(PATIENCE_S):
        await service.cancelled.wait()
