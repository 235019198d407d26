"""Calls of tools: what the service says of them, and what a client reads."""

import grpc
import pytest
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.http.json_text import to_json
from bridge.upstream.forced_calls import check_forced_call, is_call_forced
from bridge.workers_ai.envelope import native_tool_calls
from bridge.workers_ai.tool_calls import ToolCalls, is_whole
from tests.support.fake_service import USAGE, USAGE_JSON, failure, part
from tests.support.running_bridge import PROMPT

REQUIRED = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)
NAMED = pb.ToolChoice(name="add")
AUTO = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_AUTO)
CUT = pb.RunResponse(finish_reason=pb.FINISH_REASON_LENGTH, usage=pb.Usage(completion_tokens=3))


@pytest.mark.parametrize("number", ["9" * 5_000, "-1", "1e999", "0.1"])
def test_arguments_are_whole_whatever_their_numbers_are(number):
    assert is_whole(pb.ToolCall(name="add", arguments_json=f'{{"n": {number}}}'))


@pytest.mark.parametrize(("choice", "is_forced"), [(REQUIRED, True), (NAMED, True), (AUTO, False), (None, False)])
def test_a_call_is_forced_by_required_or_by_a_name(choice, is_forced):
    assert is_call_forced(pb.RunRequest(tool_choice=choice)) is is_forced


@pytest.mark.parametrize("choice", [REQUIRED, NAMED])
def test_a_forced_call_that_max_tokens_has_cut_is_8006(choice):
    with pytest.raises(AiError) as refused:
        check_forced_call(pb.RunRequest(tool_choice=choice), CUT)
    assert (refused.value.rule.status, refused.value.rule.code) == (400, 8006)
    assert refused.value.description == "'/max_tokens' has cut the tool call at 3, ask for more"


@pytest.mark.parametrize("stopped", [{"matched_stop": "}"}, {"matched_stop_token_id": 5}])
def test_a_forced_call_that_a_stop_sequence_or_token_has_cut_is_8006(stopped):
    answer = pb.RunResponse(finish_reason=pb.FINISH_REASON_STOP, **stopped)
    with pytest.raises(AiError, match="has cut the tool call, leave '/stop' and '/stop_token_ids' out"):
        check_forced_call(pb.RunRequest(tool_choice=NAMED), answer)


def test_a_call_that_is_there_or_was_not_forced_is_no_mistake():
    check_forced_call(pb.RunRequest(tool_choice=NAMED), pb.RunResponse(finish_reason=pb.FINISH_REASON_TOOL_CALLS))
    check_forced_call(pb.RunRequest(tool_choice=AUTO), CUT)


def test_deltas_are_put_together_by_index():
    calls = ToolCalls()
    calls.add([pb.ToolCallDelta(index=1, id="b", name="sub", arguments_json='{"n"')])
    calls.add([pb.ToolCallDelta(index=0, id="a", name="add"), pb.ToolCallDelta(index=1, arguments_json=":4}")])
    calls.add([pb.ToolCallDelta(index=0, arguments_json="{}")])
    assert calls.calls == [
        pb.ToolCall(id="a", name="add", arguments_json="{}"),
        pb.ToolCall(id="b", name="sub", arguments_json='{"n":4}'),
    ]


@pytest.mark.parametrize("arguments", ['{"n":' + "9" * 5000 + "}", '{"n":1e999}'])
def test_numbers_that_python_has_no_value_for_stay_as_they_are(arguments):
    told = native_tool_calls([pb.ToolCall(name="add", arguments_json=arguments)])
    assert to_json(told) == b'[{"name":"add","arguments":' + arguments.encode() + b"}]"


@pytest.mark.parametrize("arguments", ['{"n":', "", "[1]", '{"n":' + "[" * 100_000 + "]" * 100_000 + "}"])
def test_arguments_that_nobody_can_read_are_not_whole(arguments):
    assert not is_whole(pb.ToolCall(name="add", arguments_json=arguments))


ARGUMENTS = '{ "n": 4.0, "big": 123456789012345678901234567890, "exact": 1.50e+400,\n "text": "a  b\\" c" }'
COMPACT = b'{"n":4.0,"big":123456789012345678901234567890,"exact":1.50e+400,"text":"a  b\\" c"}'
TOOL_CALLS = b'"tool_calls":[{"name":"add","arguments":' + COMPACT + b"}]"
ASK = {**PROMPT, "tools": [{"name": "add"}]}
FORCED = {**ASK, "tool_choice": "required"}


def ended(reason, **fields):
    return part("", finish_reason=reason, usage=USAGE, **fields)


async def test_a_whole_answer_that_calls_has_no_response_and_numbers_as_they_were_written(bridge, service):
    service.answer.text, service.answer.finish_reason = "", pb.FINISH_REASON_TOOL_CALLS
    service.answer.tool_calls.add(id="1", name="add", arguments_json=ARGUMENTS)
    result = b'{"response":null,' + TOOL_CALLS + b',"usage":' + USAGE_JSON + b',"finish_reason":"tool_calls"}'
    answer = await bridge.run(ASK)
    assert answer.body == b'{"result":' + result + b',"success":true,"errors":[],"messages":[]}'


async def test_a_streamed_call_is_one_event_however_it_came(bridge, service):
    deltas = [{"index": 0, "id": "1", "name": "add"}, *({"index": 0, "arguments_json": piece} for piece in ARGUMENTS)]
    service.parts = [part("", tool_calls=[delta]) for delta in deltas] + [ended(pb.FINISH_REASON_TOOL_CALLS)]
    assert (await bridge.run({**ASK, "stream": True})).body == (
        b'data: {"response":"",' + TOOL_CALLS + b"}\n\n"
        b'data: {"response":"","usage":' + USAGE_JSON + b',"finish_reason":"tool_calls"}\n\n'
        b"data: [DONE]\n\n"
    )


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_forced_call_that_is_cut_is_an_error_and_no_text(bridge, service, is_streamed):
    service.answer.text, service.answer.finish_reason = '{"na', pb.FINISH_REASON_LENGTH
    service.parts = [part('{"na'), ended(pb.FINISH_REASON_LENGTH)]
    message = "AiError: Tool call incomplete: '/max_tokens' has cut the tool call at 3, ask for more"
    assert (await bridge.run({**FORCED, "stream": is_streamed})).error == (400, 8006, message)


async def test_a_forced_call_that_is_cut_after_a_keep_alive_ends_the_stream_with_the_error(start_bridge, service):
    bridge = await start_bridge(keep_alive_s=0.01)
    service.gate.clear()
    service.parts = [part('{"na'), ended(pb.FINISH_REASON_LENGTH)]
    async with bridge.http.post(bridge.run_url, json={**FORCED, "stream": True}) as response:
        assert await response.content.readuntil(b"\n\n") == b": keep-alive\n\n"
        service.gate.set()
        rest = (await response.read()).replace(b": keep-alive\n\n", b"")
    assert rest.startswith(b'retry: 86400000\n\ndata: {"response":"","errors":[{"code":8006,')
    assert b"[DONE]" not in rest


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_call_that_was_not_forced_and_is_cut_is_the_text_that_the_service_gives_back(
    bridge, service, is_streamed
):
    cut = {"id": "1", "name": "add", "arguments_json": '{"n": '}
    service.answer.text, service.answer.finish_reason = "add(1", pb.FINISH_REASON_LENGTH
    service.answer.tool_calls.add(**cut)
    service.parts = [part("", tool_calls=[{"index": 0, **cut}]), part("add(1"), ended(pb.FINISH_REASON_LENGTH)]
    body = (await bridge.run({**ASK, "stream": is_streamed})).body
    whole = b'{"result":{"response":"add(1","tool_calls":[],'
    assert body.startswith(b'data: {"response":"add(1"' if is_streamed else whole)
    assert b'"n"' not in body


async def test_what_a_model_says_before_its_calls_is_its_response(bridge, service):
    service.answer.text, service.answer.finish_reason = "I add.", pb.FINISH_REASON_TOOL_CALLS
    service.answer.tool_calls.add(id="1", name="add", arguments_json=ARGUMENTS)
    assert (await bridge.run(ASK)).body.startswith(b'{"result":{"response":"I add.",' + TOOL_CALLS)


async def test_a_model_that_may_call_and_answers_is_answered(bridge):
    assert (await bridge.run(ASK)).body.startswith(b'{"result":{"response":"New York","tool_calls":[],')


async def test_the_services_words_for_tools_become_the_clients(bridge, service):
    field = "conversation.messages[0].tool_calls[0].arguments_json"
    service.status = failure(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", f"{field} is no object", field=field)
    message = "AiError: Bad input: Error: '/messages/0/tool_calls/0/arguments' is no object"
    assert (await bridge.run(ASK)).error == (400, 5006, message)
