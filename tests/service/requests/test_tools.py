"""Tools over gRPC: forced calls, whole and streamed, and what the model is told of."""

import json

import grpc
import pytest
from google.rpc import error_details_pb2
from jsonschema import Draft202012Validator
from runstream.v1 import text_generation_pb2 as pb

from tests.support.running_service import ask, details, error_info

pytestmark = pytest.mark.asyncio(loop_scope="session")

CITY = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/city"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "$defs": {"city": {"enum": ["New York", "纽约"]}},
}
WEATHER = pb.Tool(name="get_weather", description="Tells the weather.", parameters_json=json.dumps(CITY))
CLOCK = pb.Tool(name="clock")
NAMED = pb.ToolChoice(name="get_weather")
REQUIRED = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)
NONE = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_NONE)


def asked(choice: pb.ToolChoice | None = None, tools=(WEATHER, CLOCK), **params) -> pb.RunRequest:
    request = ask(**({"max_tokens": 200, "temperature": 1.0, "seed": 1} | params))
    request.tools.extend(tools)
    if choice is not None:
        request.tool_choice.CopyFrom(choice)
    return request


def in_short(calls) -> list[tuple[str, str]]:
    return [(call.name, call.arguments_json) for call in calls]


@pytest.mark.parametrize("seed", range(3))
async def test_a_forced_call_fits_its_tool_whole_and_streamed(running, seed):
    request = asked(NAMED, seed=seed)
    whole = await running.text_generation.Run(request)
    (call,) = whole.tool_calls
    Draft202012Validator(CITY).validate(json.loads(call.arguments_json))
    assert (call.name, whole.text, whole.finish_reason) == ("get_weather", "", pb.FINISH_REASON_TOOL_CALLS)
    parts = [part async for part in running.text_generation.RunStream(request)]
    deltas = [delta for part in parts for delta in part.tool_calls]
    assert (deltas[0].name, "".join(delta.arguments_json for delta in deltas)) == (call.name, call.arguments_json)
    assert [(delta.index, len(delta.id)) for delta in deltas[:1]] == [(0, len("chatcmpl-tool-") + 32)]
    assert not any(delta.index or delta.id or delta.name for delta in deltas[1:])
    assert not any(part.text for part in parts)
    assert (parts[-1].finish_reason, parts[-1].usage.completion_tokens) == (
        whole.finish_reason,
        whole.usage.completion_tokens,
    )


FORMS = {
    "enum": pb.ResponseFormat(json_schema='{"enum": ["yes", "no"]}'),
    "reference": pb.ResponseFormat(json_schema='{"$ref": "#/$defs/0", "$defs": {"0": {"enum": [7, 8]}}}'),
}


@pytest.mark.parametrize("kind", FORMS)
async def test_with_a_form_an_answer_is_calls_that_fit_or_has_the_form(running, kind):
    answers = [await running.text_generation.Run(formed(kind, seed=seed, max_tokens=400)) for seed in range(12)]
    whole = [answer for answer in answers if answer.finish_reason != pb.FINISH_REASON_LENGTH]
    calling = [answer for answer in whole if answer.tool_calls]
    saying = [answer for answer in whole if not answer.tool_calls]
    assert calling
    assert saying
    assert {answer.text.strip() for answer in saying} <= {'"yes"', '"no"', "7", "8"}
    for call in (call for answer in calling for call in answer.tool_calls):
        assert call.name in ("get_weather", "clock")
        if call.name == "get_weather":
            Draft202012Validator(CITY).validate(json.loads(call.arguments_json))
    assert not any(answer.text for answer in calling)


def formed(kind: str, choice: pb.ToolChoice | None = None, **params) -> pb.RunRequest:
    request = asked(choice, **params)
    request.response_format.CopyFrom(FORMS[kind])
    return request


async def test_with_a_form_a_forced_call_is_one_and_a_forbidden_one_is_none(running):
    answer = await running.text_generation.Run(formed("enum", NAMED))
    assert [call.name for call in answer.tool_calls] == ["get_weather"]
    for seed in range(3):
        answer = await running.text_generation.Run(formed("enum", NONE, seed=seed))
        assert answer.text.strip() in ('"yes"', '"no"')


async def test_beside_calls_a_form_is_one_of_json(running):
    request = asked()
    request.response_format.regex = "a+"
    with pytest.raises(grpc.aio.AioRpcError, match="response_format can't be used together with tools") as caught:
        await running.text_generation.Run(request)
    assert error_info(caught.value).reason == "INVALID_REQUEST"
    request.tool_choice.CopyFrom(NONE)
    assert set((await running.text_generation.Run(request)).text) == {"a"}


async def test_a_form_that_can_not_be_is_refused_beside_a_forced_call_too(running):
    request = formed("enum", NAMED)
    request.response_format.json_schema = "false"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.text_generation.Run(request)
    assert error_info(caught.value).reason == "FORMAT_UNSATISFIABLE"


async def test_a_required_call_is_of_any_tool(running):
    answers = [await running.text_generation.Run(asked(REQUIRED, seed=seed)) for seed in range(6)]
    assert {call.name for answer in answers for call in answer.tool_calls} == {"get_weather", "clock"}
    assert {len(answer.tool_calls) for answer in answers} == {1}


async def test_arguments_that_break_what_is_checked_at_the_end_are_no_call(running):
    broken = {"properties": {"a": {"const": [1, 1], "uniqueItems": True}}, "required": ["a"]}
    tools = [pb.Tool(name="get_weather", parameters_json=json.dumps(broken))]
    with pytest.raises(grpc.aio.AioRpcError, match="breaks 'uniqueItems' at '/a'") as caught:
        await running.text_generation.Run(asked(NAMED, tools))
    assert error_info(caught.value).reason == "FORMAT_UNSATISFIABLE"
    bad_request = details(caught.value, error_details_pb2.BadRequest)
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    assert bad_request.field_violations[0].field == "tools[0].parameters_json"


async def test_a_forced_call_that_max_tokens_cuts_is_text(running):
    request = asked(NAMED, max_tokens=3)
    answer = await running.text_generation.Run(request)
    assert not answer.tool_calls
    assert '{"name": "get_weather"'.startswith(answer.text)
    assert answer.text
    assert answer.finish_reason == pb.FINISH_REASON_LENGTH
    parts = [part async for part in running.text_generation.RunStream(request)]
    assert "".join(part.text for part in parts) == answer.text
    assert parts[-1].finish_reason == answer.finish_reason


async def test_log_probabilities_are_told_of_the_tokens_of_a_call(running):
    answer = await running.text_generation.Run(asked(NAMED, top_logprobs=0))
    assert len(answer.logprobs) == answer.usage.completion_tokens
    written = json.loads(b"".join(logprob.token for logprob in answer.logprobs))
    assert written == {"name": "get_weather", "parameters": json.loads(answer.tool_calls[0].arguments_json)}


async def test_a_model_that_is_free_answers_in_words_while_it_makes_no_call(running):
    request = asked()
    whole = await running.text_generation.Run(request)
    parts = [part async for part in running.text_generation.RunStream(request)]
    assert "".join(part.text for part in parts) == whole.text != ""
    assert (len(whole.tool_calls), parts[-1].finish_reason) == (0, whole.finish_reason)


async def test_the_prompt_tells_of_tools_unless_none_may_be_called(running):
    free, forbidden, plain = [
        (await running.text_generation.Run(request)).usage.prompt_tokens
        for request in (asked(max_tokens=1), asked(NONE, max_tokens=1), asked(tools=(), max_tokens=1))
    ]
    assert free > forbidden == plain


async def test_a_conversation_goes_on_with_calls_and_results(running):
    request = asked(max_tokens=5)
    call = pb.ToolCall(id="1", name="clock", arguments_json="{}")
    request.conversation.messages.add(role="assistant", tool_calls=[call])
    request.conversation.messages.add(role="tool", tool_call_id="1", content=[pb.ContentPart(text="noon")])
    assert (await running.text_generation.Run(request)).usage.completion_tokens == 5


@pytest.mark.parametrize(
    ("request_", "reason", "field", "words"),
    [
        (
            asked(NAMED, [pb.Tool(name="get_weather", parameters_json='{"not": {}}')]),
            "FORMAT_UNSATISFIABLE",
            "tools[0].parameters_json",
            "tools[0].parameters_json can't be met: ",
        ),
        (
            asked(REQUIRED, [CLOCK, pb.Tool(name="t", parameters_json='{"$ref": "#/missing"}')]),
            "FORMAT_UNSATISFIABLE",
            "tools",
            "tools can't be met: ",
        ),
        (asked(NAMED, [CLOCK]), "INVALID_REQUEST", "tool_choice.name", "none of the request's tools"),
    ],
)
async def test_a_call_that_can_not_be_made_is_refused_before_anything_is_generated(
    running, request_, reason, field, words
):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.text_generation.Run(request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(caught.value).reason == reason
    bad_request = details(caught.value, error_details_pb2.BadRequest)
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    assert bad_request.field_violations[0].field == field
    assert words in (caught.value.details() or "")
    assert await running.is_idle()
