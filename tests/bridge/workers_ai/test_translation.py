"""From JSON to RunRequest: what each field becomes."""

import json
from typing import Any

import pytest
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.workers_ai.request import parse_run_body
from bridge.workers_ai.translation import RunInput

HI = [{"role": "user", "content": "hi"}]


def run_input(**fields):
    parsed = parse_run_body("m", json.dumps(fields).encode())
    assert isinstance(parsed, RunInput)
    return parsed


def run_request(**fields):
    return run_input(**fields).request


def test_a_prompt_is_a_prompt():
    assert run_request(prompt="hi") == pb.RunRequest(
        model="m", prompt=pb.Prompt(text="hi"), sampling_params=pb.SamplingParams()
    )


@pytest.mark.parametrize(("raw", "is_raw"), [(True, True), ("true", True), (False, False), ("false", False)])
def test_raw_may_be_a_string(raw, is_raw):
    assert run_request(prompt="hi", raw=raw).prompt.raw is is_raw
    assert run_request(messages=HI, raw=raw).conversation.raw is is_raw


@pytest.mark.parametrize(("stream", "is_streamed"), [(True, True), (False, False), (None, False)])
def test_stream_decides_how_the_answer_comes(stream, is_streamed):
    assert run_input(prompt="hi", stream=stream).is_streamed is is_streamed


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("hi", ["hi"]),
        ("", [""]),
        (None, []),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], ["a", "b"]),
    ],
)
def test_content_may_be_text_parts_or_null(content, texts):
    (message,) = run_request(messages=[{"role": "user", "content": content}]).conversation.messages
    assert [part.text for part in message.content] == texts


def test_messages_keep_calls_and_results_of_tools():
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"n":4}'}}
    request = run_request(
        messages=[
            {"role": "assistant", "content": None, "tool_calls": [call, {"name": "add", "arguments": {"n": 4}}]},
            {"role": "tool", "content": "8", "tool_call_id": "1", "name": "add"},
        ]
    )
    calling, answering = request.conversation.messages
    assert calling.tool_calls[0] == pb.ToolCall(id="1", name="add", arguments_json='{"n":4}')
    assert json.loads(calling.tool_calls[1].arguments_json) == {"n": 4}
    assert (answering.role, answering.tool_call_id, answering.name) == ("tool", "1", "add")


@pytest.mark.parametrize(
    ("arguments", "arguments_json"),
    [
        (None, "{}"),
        ('{"n": 4', '{"n": 4'),
        ([4], "[4]"),
        ("  ", "  "),
        (4, "4"),
        (False, "false"),
        ("", ""),
    ],
)
def test_calls_that_a_model_wrote_wrongly_can_be_said_again(arguments, arguments_json):
    called = {"name": "add", "arguments": arguments}
    for call in (called, {"type": "function", "function": called}):
        (message,) = run_request(messages=[{"role": "assistant", "tool_calls": [call]}]).conversation.messages
        assert message.tool_calls == [pb.ToolCall(name="add", arguments_json=arguments_json)]


def test_a_call_without_arguments_has_an_empty_object():
    for call in ({"name": "add"}, {"type": "function", "function": {"name": "add"}}):
        (message,) = run_request(messages=[{"role": "assistant", "tool_calls": [call]}]).conversation.messages
        assert message.tool_calls == [pb.ToolCall(name="add", arguments_json="{}")]


def test_sampling_fields_keep_their_names():
    given: dict[str, Any] = {
        "max_tokens": 5,
        "temperature": 0,
        "top_k": 50,
        "top_p": 0.001,
        "repetition_penalty": 2,
        "frequency_penalty": -2,
        "presence_penalty": 2,
        "min_p": 0.5,
        "min_tokens": 0,
        "ignore_eos": True,
        "seed": 9_999_999_999,
    }
    assert run_request(prompt="hi", **given).sampling_params == pb.SamplingParams(**given)


def test_a_logit_bias_is_named_by_token_ids_in_digits():
    biases = run_request(prompt="hi", logit_bias={"0": -100, "5": 1.5, "9999999999": 1}).sampling_params.logit_bias
    assert dict(biases) == {0: -100, 5: 1.5, 2**31 - 1: 1}, "one that is too large stays so for the service to refuse"


def test_a_field_that_is_not_given_is_unset():
    assert not run_request(prompt="hi", temperature=None).sampling_params.ListFields()


def test_an_integer_may_be_written_as_a_float():
    assert run_request(prompt="hi", max_tokens=5.0).sampling_params.max_tokens == 5


@pytest.mark.parametrize("name", ["max_tokens", "min_tokens"])
@pytest.mark.parametrize("count", [2**31, 10**30, 1e300])
def test_a_huge_count_stays_huge_for_the_service_to_refuse(name, count):
    assert getattr(run_request(prompt="hi", **{name: count}).sampling_params, name) == 2**31 - 1


@pytest.mark.parametrize(("stop", "stop_sequences"), [("a", ["a"]), (["a", "b"], ["a", "b"]), (None, []), ([], [])])
def test_stop_may_be_one_text_or_several(stop, stop_sequences):
    assert run_request(prompt="hi", stop=stop).stop_sequences == stop_sequences


@pytest.mark.parametrize("is_flat", [True, False])
def test_tools_are_taken_in_both_spellings(is_flat):
    function = {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}
    tool = function if is_flat else {"type": "function", "function": function}
    (taken,) = run_request(messages=HI, tools=[tool]).tools
    assert taken == pb.Tool(name="add", description="Adds.", parameters_json='{"type": "object"}')


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        ("auto", pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_AUTO)),
        ("none", pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_NONE)),
        ("required", pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)),
        ("any", pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)),
        ({"type": "function", "name": "add"}, pb.ToolChoice(name="add")),
        ({"type": "function", "function": {"name": "add"}}, pb.ToolChoice(name="add")),
    ],
)
def test_tool_choice_is_a_mode_or_a_name(choice, taken):
    assert run_request(messages=HI, tool_choice=choice).tool_choice == taken


def test_response_format_is_an_object_or_a_schema():
    assert run_request(prompt="hi", response_format={"type": "json_object"}).response_format.HasField("json_object")
    schema = {"type": "json_schema", "json_schema": {"type": "number"}}
    assert run_request(prompt="hi", response_format=schema).response_format.json_schema == '{"type": "number"}'


@pytest.mark.parametrize("rest", [{}, {"json_schema": None}, {"schema": None}])
@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_without_a_schema_the_answer_is_any_object(kind, rest):
    assert run_request(prompt="hi", response_format={"type": kind, **rest}).response_format.HasField("json_object")


@pytest.mark.parametrize("name", ["json_schema", "schema"])
def test_a_schema_counts_whatever_it_stands_beside(name):
    wanted = {"type": "json_object", name: {"required": ["a"]}}
    written = run_request(prompt="hi", response_format=wanted).response_format.json_schema
    assert json.loads(written) == {"type": "object", "required": ["a"]}
    assert json.loads(run_request(prompt="hi", response_format={**wanted, name: True}).response_format.json_schema) == {
        "type": "object"
    }
    wanted = {"type": "json_schema", name: {"type": "array"}}
    assert json.loads(run_request(prompt="hi", response_format=wanted).response_format.json_schema) == {"type": "array"}


def test_of_two_schemas_nobody_could_tell_which_counts():
    wanted = {"type": "json_schema", "json_schema": {}, "schema": {}}
    with pytest.raises(AiError, match="has both 'json_schema' and 'schema'"):
        run_request(prompt="hi", response_format=wanted)


def test_what_the_schema_does_not_name_is_tolerated():
    assert run_request(prompt="hi", options={"rejectIfBusy": True}, surprise=1) == run_request(prompt="hi")


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"name": "add", "parameters": {"title": "\ud800"}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"const": "\ud800"}}},
        {"messages": [{"role": "assistant", "tool_calls": [{"name": "add", "arguments": {"a": "\ud800"}}]}]},
    ],
)
def test_a_lone_surrogate_inside_json_is_no_character_either(fields):
    with pytest.raises(AiError, match="lone surrogate"):
        run_input(**{"messages": HI, **fields})
