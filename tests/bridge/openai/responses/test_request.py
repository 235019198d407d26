"""What the fields of `responses` come to in the contract's words, and what is refused."""

import json
from typing import Any

import pytest
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from tests.support.fake_service import DEMO
from tests.support.openai_asking import RESPONSE, error_of, parse_responses, respond

ADD = {"type": "function", "name": "add", "parameters": {"type": "object"}}
SUBTRACT = {"type": "function", "name": "subtract"}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


def parse(**fields):
    return parse_responses(json.dumps({**RESPONSE, **fields}).encode())


def refusal_of(**fields):
    with pytest.raises(AiError) as caught:
        parse(**fields)
    return caught.value.description


def test_sampling_is_said_as_on_the_other_routes():
    asked = parse(temperature=0.5, top_p=0.25, max_output_tokens=9, top_k=3, seed=7, stop="x", min_p=0.125).request
    assert asked.sampling_params == pb.SamplingParams(
        temperature=0.5, top_p=0.25, max_tokens=9, top_k=3, seed=7, min_p=0.125
    )
    assert asked.stop_sequences == ["x"]


def test_a_form_is_that_of_the_text():
    schema = {"format": {"type": "json_schema", "name": "sum", "schema": SCHEMA, "strict": True}}
    assert json.loads(parse(text=schema).request.response_format.json_schema) == SCHEMA
    assert parse(text={"format": {"type": "json_object"}}).request.response_format.HasField("json_object")
    for text in ({}, {"format": None}, {"format": {"type": "text"}}, {"verbosity": "low"}):
        assert not parse(text=text).request.HasField("response_format")
    assert parse(guided_regex="a+").request.response_format.regex == "a+"


def test_two_forms_are_refused_by_their_names_here():
    text = {"format": {"type": "json_object"}}
    assert "'/guided_regex', '/text/format'" in refusal_of(guided_regex="a+", text=text)
    assert "'/text/format' has a schema" in refusal_of(text={"format": {"type": "text", "schema": SCHEMA}})
    assert "required properties at '/text/format'" in refusal_of(text={"format": {"type": "json_schema", "name": "a"}})


def test_tools_and_their_choice():
    request = parse(tools=[ADD, SUBTRACT], tool_choice={"type": "function", "name": "add"}).request
    assert [tool.name for tool in request.tools] == ["add", "subtract"]
    assert request.tool_choice == pb.ToolChoice(name="add")
    assert parse(tools=[ADD], tool_choice="required").request.tool_choice.mode == pb.TOOL_CHOICE_MODE_REQUIRED
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "subtract"}]}
    request = parse(tools=[ADD, SUBTRACT], tool_choice=allowed).request
    assert [tool.name for tool in request.tools] == ["subtract"]
    assert request.tool_choice.mode == pb.TOOL_CHOICE_MODE_REQUIRED


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tools": [ADD, {"type": "web_search"}]}, "'/tools/1/type' is 'web_search', but only functions can be called"),
        ({"tools": [{"type": "custom", "name": "sql"}]}, "'/tools/0/type' is 'custom'"),
        ({"tools": [{"type": "function"}]}, "required properties at '/tools/0' are 'name'"),
        ({"tools": [{**ADD, "defer_loading": True}]}, "'/tools/0/defer_loading' is not supported"),
        ({"tools": [{**ADD, "allowed_callers": ["programmatic"]}]}, "'/tools/0/allowed_callers' is not supported"),
        ({"tools": [ADD], "tool_choice": {"type": "mcp", "server_label": "a"}}, "'/tool_choice/type' is 'mcp'"),
        ({"tools": [ADD], "tool_choice": "any"}, "'/tool_choice' must be one of"),
        ({"tools": [ADD], "tool_choice": {"type": "function"}}, "required properties at '/tool_choice'"),
        (
            {
                "tools": [ADD],
                "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "b"}]},
            },
            "'/tool_choice/tools/0/name' is the name of none of '/tools'",
        ),
        ({"reasoning": {"mode": "pro"}}, "'/reasoning/mode' is not supported"),
        ({"reasoning": {"effort": "huge"}}, "'/reasoning/effort' must be one of"),
        ({"top_logprobs": 2}, "'/top_logprobs' needs 'message.output_text.logprobs' in '/include'"),
        ({"include": ["everything"]}, "'/include/0' must be one of"),
        ({"metadata": {"a": 1}}, "values in '/metadata' must be strings of at most 512 characters"),
        ({"metadata": {"a" * 65: "b"}}, "names at '/metadata' must match"),
        ({"metadata": {str(n): "b" for n in range(17)}}, "Number of entries of '/metadata' must be <= 16"),
        ({"input": []}, "Number of entries of '/input' must be >= 1"),
        ({"input": ""}, "Length of '/input' must be >= 1"),
        ({"input": [{"role": "user", "content": "a"}] * 4097}, "Number of entries of '/input' must be <= 4096"),
        ({"max_output_tokens": 0}, "'/max_output_tokens' must be >= 1"),
        ({"temperature": 9}, "'/temperature' must be <= 5"),
        ({"grammar": "a"}, "or '/text/format'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(fields, said):
    assert said in refusal_of(**fields)


async def test_the_response_tells_what_was_asked(bridge):
    asked: dict[str, Any] = {
        "instructions": "Be kind.",
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "tools": [ADD],
        "user": "me",
        "tool_choice": "none",
        "parallel_tool_calls": False,
        "truncation": "disabled",
        "max_tool_calls": 3,
    }
    response = json.loads((await respond(bridge, **asked)).body)
    assert {name: response[name] for name in asked} == asked
    assert (response["service_tier"], response["text"]["format"]) == ("default", {"type": "text"})


async def test_an_answer_is_as_long_as_a_stream_of_the_model_may_be(bridge, service):
    for is_streamed in (False, True):
        await respond(bridge, stream=is_streamed)
        params = service.requests.pop().sampling_params
        assert (params.max_tokens, params.max_tokens_is_default) == (1800, True)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"max_output_tokens": 100}, 3996),
        ({}, 4096 - 1800),
        ({"max_output_tokens": 4096}, 1),
        ({"truncate_prompt_tokens": 7}, 7),
        ({"truncate_prompt_tokens": 4000}, 4096 - 1800),
    ],
)
async def test_a_prompt_that_is_too_long_loses_its_beginning_if_it_may(bridge, service, asked, kept):
    service.model.context_window = service.model.max_prompt_tokens = 4096
    await respond(bridge, truncation="auto", **asked)
    assert service.request.truncate_prompt_tokens == kept


async def test_a_default_leaves_half_of_a_small_window_to_the_prompt(bridge, service):
    service.model.context_window, service.model.max_prompt_tokens = 2048, 2000
    await respond(bridge, truncation="auto")
    await respond(bridge)
    truncated, untouched = service.requests
    assert truncated.truncate_prompt_tokens == 1024
    assert not untouched.HasField("truncate_prompt_tokens")


async def test_a_refusal_has_the_field_as_openai_writes_it(bridge):
    answer = await respond(bridge, input=[{"role": "user", "content": [{"type": "input_file", "file_id": "a"}]}])
    status, error = error_of(answer)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", "input[0].content[0].type")


async def test_below_an_account_a_refusal_has_the_accounts_form(bridge):
    answer = await respond(bridge, "/client/v4/accounts/acc/ai/v1", store=True)
    assert answer.error == (
        400,
        5006,
        "AiError: Bad input: Error: '/store' is not supported, leave it out or send false, responses are not kept here",
    )
    assert (await respond(bridge, "/client/v4/accounts/acc/ai/v1", store=False)).status == 200


async def test_another_model_that_answers_is_told(bridge, service):
    service.answer.served_model = service.model.served_model = "@mine/other"
    for part in service.parts:
        part.served_model = "@mine/other"
    whole, streamed = await respond(bridge), await respond(bridge, stream=True)
    assert whole.headers["x-runstream-model"] == streamed.headers["x-runstream-model"] == "@mine/other"
    assert json.loads(whole.body)["model"] == "@mine/other" != DEMO
