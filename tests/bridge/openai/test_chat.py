"""What a chat completion is answered, to the byte; ids and times are set to 0."""

import json

import pytest
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import DEMO, USAGE, last_part, part
from tests.support.openai_asking import BASES, WITH_USAGE, at_no_time, chat, read_chunks

USAGE_JSON = b'{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":2}}'
CHUNK = b'data: {"id":"id-0","created":0,"model":"@runstream/demo","object":"chat.completion.chunk","choices":['
LAST = b'data: {"id":"id-0","object":"chat.completion.chunk","created":0,"model":"@runstream/demo","choices":['
CALL = {"id": "chatcmpl-tool-1", "name": "add", "arguments_json": '{"n": 4}'}


@pytest.mark.parametrize("base", BASES)
async def test_a_whole_answer_is_as_in_captures(bridge, base):
    answer = await chat(bridge, base)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert at_no_time(answer.body) == (
        b'{"id":"id-0","object":"chat.completion","created":0,"model":"@runstream/demo","choices":[{"index":0,'
        b'"finish_reason":"stop","logprobs":null,"message":{"role":"assistant","content":"New York","refusal":null},'
        b'"stop_reason":null}],"usage":' + USAGE_JSON + b"}"
    )


@pytest.mark.parametrize("base", BASES)
async def test_a_stream_is_as_in_captures_but_has_a_role_and_one_last_chunk(bridge, base):
    answer = await chat(bridge, base, **WITH_USAGE)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert at_no_time(answer.body) == (
        CHUNK + b'{"index":0,"delta":{"role":"assistant","content":"New"}}]}\n\n'
        + CHUNK + b'{"index":0,"delta":{"content":" York"}}]}\n\n'
        + LAST + b'{"index":0,"delta":{},"finish_reason":"stop"}],"usage":' + USAGE_JSON + b"}\n\n"
        b"data: [DONE]\n\n"
    )  # fmt: skip


async def test_the_id_is_the_time_in_milliseconds(bridge):
    answer = json.loads((await chat(bridge)).body)
    assert int(answer["id"].removeprefix("id-")) // 1000 == answer["created"] > 1_700_000_000


async def test_a_stream_tells_no_usage_unless_asked(bridge):
    assert not any("usage" in chunk for chunk in read_chunks((await chat(bridge, stream=True)).body))


async def test_text_of_the_last_part_has_a_chunk_of_its_own(bridge, service):
    service.parts = [last_part("4", finish_reason=pb.FINISH_REASON_LENGTH)]
    first, last = (chunk["choices"][0] for chunk in read_chunks((await chat(bridge, stream=True)).body))
    assert first == {"index": 0, "delta": {"role": "assistant", "content": "4"}}
    assert last == {"index": 0, "delta": {}, "finish_reason": "length"}


async def test_a_stream_without_text_still_says_who_speaks(bridge, service):
    service.parts = [last_part()]
    first, _ = read_chunks((await chat(bridge, stream=True)).body)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}


async def test_the_matched_stop_sequence_is_told(bridge, service):
    service.answer.matched_stop = "\n"
    assert json.loads((await chat(bridge)).body)["choices"][0]["stop_reason"] == "\n"


async def test_json_that_max_tokens_has_cut_is_an_answer_all_the_same(bridge, service):
    service.answer.text, service.answer.finish_reason = '{"a', pb.FINISH_REASON_LENGTH
    (choice,) = json.loads((await chat(bridge, response_format={"type": "json_object"})).body)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ('{"a', "length")


async def test_the_model_that_stands_in_is_the_one_that_answers(bridge):
    answer = await chat(bridge, model="@cf/meta/llama-3.1-8b-instruct")
    assert answer.headers["x-runstream-model"] == json.loads(answer.body)["model"] == DEMO
    streamed = await chat(bridge, model="@cf/meta/llama-3.1-8b-instruct", stream=True)
    assert streamed.headers["x-runstream-model"] == read_chunks(streamed.body)[0]["model"] == DEMO


async def test_calls_of_tools_have_their_arguments_in_a_string(bridge, service):
    service.answer = pb.RunResponse(
        served_model=DEMO, tool_calls=[pb.ToolCall(**CALL)], finish_reason=pb.FINISH_REASON_TOOL_CALLS, usage=USAGE
    )
    (choice,) = json.loads((await chat(bridge)).body)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    function = {"name": "add", "arguments": '{"n": 4}'}
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [{"id": "chatcmpl-tool-1", "type": "function", "function": function}],
    }


async def test_streamed_calls_are_named_first_and_have_arguments_after(bridge, service):
    service.parts = [
        part("", tool_calls=[pb.ToolCallDelta(index=0, **CALL)]),
        last_part(finish_reason=pb.FINISH_REASON_TOOL_CALLS),
    ]
    assert at_no_time((await chat(bridge, stream=True)).body) == (
        CHUNK + b'{"index":0,"delta":{"role":"assistant","tool_calls":[{"id":"chatcmpl-tool-1","type":"function",'
        b'"index":0,"function":{"name":"add","arguments":""}}]}}]}\n\n'
        + CHUNK + b'{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"n\\": 4}"}}]}}]}\n\n'
        + LAST + b'{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'
    )  # fmt: skip


async def test_without_parallel_calls_only_the_first_counts(bridge, service):
    service.answer.tool_calls.extend([pb.ToolCall(**CALL), pb.ToolCall(**CALL)])
    service.parts = [
        last_part(tool_calls=[pb.ToolCallDelta(index=0, **CALL), pb.ToolCallDelta(index=1, **CALL)]),
    ]
    (choice,) = json.loads((await chat(bridge, parallel_tool_calls=False)).body)["choices"]
    assert len(choice["message"]["tool_calls"]) == 1
    streamed = (await chat(bridge, parallel_tool_calls=False, stream=True)).body
    assert b'"index":0,"function":{"name":"add"' in streamed
    assert b'"index":1,"function"' not in streamed
