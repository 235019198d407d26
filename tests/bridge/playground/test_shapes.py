"""A model whose answers have OpenAI's shape: the page asks in its words, and reads its answers."""

import ast

import pytest
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from tests.support.code_writer import code_writer
from tests.support.fake_service import FakeService, last_part, part
from tests.support.page import ANSWER, ENDING, send

REQUEST = {"origin": "http://127.0.0.1:8080", "account": "local", "model": "@cf/zai-org/glm-4.7-flash"}
GRPC = {"address": "127.0.0.1:50051", "is_tls": False, "needs_token": False}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FORMAT = {"type": "json_schema", "json_schema": SCHEMA}
BODY = {"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "look_up"}], "response_format": FORMAT}


@pytest.fixture
def service(service: FakeService) -> FakeService:
    """The fake service, whose model has OpenAI's shape."""
    service.model.answer_shape = models_pb2.ANSWER_SHAPE_CHAT
    service.model.default_temperature = 1.0
    return service


async def test_a_streamed_answer_is_shown_with_its_end_and_its_usage(chat, service):
    await send(chat)
    ending = await chat.until(ENDING, "cached")
    assert await chat.texts(ANSWER) == ["New York"]
    assert "prompt 7, of it 2 cached" in ending


async def test_a_whole_answer_is_shown(chat, service):
    await chat.click('[name="stream"]')
    await send(chat)
    await chat.until(ENDING, "prompt 7")
    assert await chat.texts(ANSWER) == ["New York"]


async def test_its_settings_are_those_of_its_schema(chat):
    fields = await chat.until(".fields", "max_completion_tokens")
    assert "default 1" in fields
    assert "parallel_tool_calls" in fields
    assert "store" not in fields


async def test_a_call_is_shown_with_its_arguments(chat, service):
    call = pb.ToolCallDelta(index=0, id="call-1", name="look_up", arguments_json='{"city":"York"}')
    service.parts = [part("", tool_calls=[call]), last_part(finish_reason=pb.FINISH_REASON_TOOL_CALLS)]
    await send(chat)
    await chat.until(".turn", "look_up")
    await chat.until(".turn", "York")


def test_code_for_it_has_its_words_and_prints_the_whole_answer():
    with code_writer({**REQUEST, "needsToken": False, "grpc": GRPC, "answerShape": "chat"}) as write:
        code, _ = write("python-requests", BODY)
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    (post,) = [call for call in calls if ast.unparse(call.func) == "requests.post"]
    told = next(ast.literal_eval(each.value) for each in post.keywords if each.arg == "json")
    assert told["tools"] == [{"type": "function", "function": {"name": "look_up"}}]
    assert told["response_format"]["json_schema"]["schema"] == SCHEMA
    assert "model" not in told
    assert code.endswith('print(response.json()["result"])\n')
