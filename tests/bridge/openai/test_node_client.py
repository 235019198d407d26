"""OpenAI's own client for Node.js, with nothing changed but its base URL."""

import asyncio
from typing import Any

import grpc
import pytest
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import DEMO, USAGE, failure, last_part, part
from tests.support.openai_asking import BASES

CALL: dict[str, Any] = {"id": "chatcmpl-tool-1", "name": "add", "arguments_json": '{"n":4}'}
CALLING: dict[str, Any] = {"finish_reason": pb.FINISH_REASON_TOOL_CALLS, "usage": USAGE}
TOKEN = pb.TokenLogprob(token=b"New", logprob=-0.5, top=[pb.TopLogprob(token=b"Old", logprob=-1.5)])


@pytest.fixture(params=BASES)
def check(bridge, node, request):
    """Lets the client do one thing, with both bases."""

    async def run(name):
        return await asyncio.to_thread(node, "openai_checks.mjs", bridge.url + request.param, name)

    return run


async def test_an_answer(check):
    completion = await check("whole")
    assert completion["choices"][0]["message"]["content"] == "New York"


async def test_a_stream(check):
    assert await check("stream") == "New York"


async def test_the_stream_helper_puts_the_answer_together(check):
    final = await check("helper")
    assert final["choices"][0]["message"]["role"] == "assistant"
    assert final["choices"][0]["message"]["content"] == "New York"
    assert final["usage"]["total_tokens"] == 10


async def test_tool_calls_whole_and_streamed_are_the_same(check, service):
    service.answer = pb.RunResponse(served_model=DEMO, tool_calls=[pb.ToolCall(**CALL)], **CALLING)
    service.parts = [part("", tool_calls=[pb.ToolCallDelta(index=0, **CALL)]), last_part(**CALLING)]
    calls = await check("tools")
    function = {"name": "add", "arguments": '{"n":4}'}
    assert calls["whole"] == [{"id": "chatcmpl-tool-1", "type": "function", "function": function}]
    assert calls["streamed"][0]["function"].items() >= function.items()


async def test_structured_answers_whole_and_streamed(check, service):
    service.answer.text = '{"n": 4}'
    service.parts = [part('{"n": '), last_part("4}")]
    assert await check("structured") == {"whole": {"n": 4}, "streamed": {"n": 4}}


async def test_log_probabilities_whole_and_streamed(check, service):
    service.answer.logprobs.append(TOKEN)
    service.parts = [part("New", logprobs=[TOKEN]), last_part()]
    entries = await check("logprobs")
    assert entries["whole"] == entries["streamed"]
    assert entries["whole"][0]["token"] == "New"


async def test_several_choices(check):
    assert await check("choices") == ["New York", "New York"]


async def test_models_are_listed_and_told_about(check):
    assert await check("models") == {"ids": [DEMO], "one": DEMO}


async def test_text_completions(check):
    assert await check("completions") == "New York"


async def test_a_stream_that_fails_midway_throws(check, service):
    service.parts = [part("New")]
    service.status = failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "The engine failed.")
    thrown = await check("failure")
    assert thrown["name"] == "APIError"
    assert "The engine failed." in thrown["message"]


async def test_a_full_queue_is_a_rate_limit(check, service):
    service.parts = []
    service.status = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "full", retry_after_s=1)
    thrown = await check("failure")
    assert (thrown["name"], thrown["status"]) == ("RateLimitError", 429)
