"""Keyword arguments become a RunRequest: every field has its keyword, and what is no keyword is refused."""

from typing import Any, Generic, TypeVar

import pydantic
import pytest
from runstream import Choice, Message, Regex, Tool, ToolCall, make_request
from runstream.requests import PromptOptions, RunOptions, make_prompt_request
from runstream.v1 import text_generation_pb2 as pb

SAMPLING: dict[str, Any] = {
    "max_tokens": 7,
    "max_tokens_is_default": True,
    "temperature": 0.0,
    "top_k": 5,
    "top_p": 0.5,
    "min_p": 0.25,
    "repetition_penalty": 1.5,
    "frequency_penalty": -0.5,
    "presence_penalty": 2.0,
    "seed": 2**62 + 1,
    "logit_bias": {3: -1.5},
    "min_tokens": 2,
    "ignore_eos": True,
    "top_logprobs": 0,
    "bad_words": ["bad"],
    "allowed_token_ids": [1, 2],
    "top_prompt_logprobs": 4,
}
OTHERS: dict[str, Any] = {
    "stop_sequences": ["\n"],
    "include_stop_sequence": True,
    "stop_token_ids": [9],
    "cache_salt": "salt",
    "lora": "sql",
    "truncate_prompt_tokens": 8,
    "reasoning_effort": "low",
}
# What the contract holds in a message of its own, by the keywords that make it.
INPUTS = {
    *("prompt", "messages", "prompt_token_ids", "raw", "add_generation_prompt", "continue_final_message"),
    "chat_template_kwargs",
}
MADE_OF_OTHERS = {
    *("prompt", "conversation", "prompt_token_ids", "sampling_params", "model"),
    "chat_template_kwargs_json",
}


class Weather(pydantic.BaseModel):
    """Tells the weather."""

    city: str


def fields(message):
    """The names of a message's fields."""
    return {field.name for field in message.DESCRIPTOR.fields}


def test_every_field_of_the_contract_has_its_keyword_and_no_keyword_is_without_one():
    expected = INPUTS | fields(pb.SamplingParams) | fields(pb.RunRequest) - MADE_OF_OTHERS
    assert set(RunOptions.__annotations__) == expected
    assert fields(pb.SamplingParams) == set(SAMPLING)


def test_every_keyword_of_sampling_sets_its_field():
    request = make_request("m", prompt="p", **SAMPLING)
    assert request.sampling_params == pb.SamplingParams(**SAMPLING)
    assert request.sampling_params.HasField("top_logprobs")


def test_every_other_plain_keyword_sets_its_field():
    assert make_request("m", prompt="p", **OTHERS) == pb.RunRequest(model="m", prompt=pb.Prompt(text="p"), **OTHERS)


def test_none_is_as_good_as_nothing():
    nothing: dict[str, Any] = dict.fromkeys(RunOptions.__annotations__)
    assert make_request("m", **{**nothing, "prompt": "p"}) == make_request("m", prompt="p")


def test_inputs_become_those_of_the_contract():
    assert make_request("m", prompt="p", raw=True).prompt == pb.Prompt(text="p", raw=True)
    assert make_request("m", prompt_token_ids=range(3)).prompt_token_ids.values == [0, 1, 2]
    said = [{"role": "assistant", "content": "So"}]
    conversation = make_request(
        "m", messages=said, add_generation_prompt=False, continue_final_message=True
    ).conversation
    assert (conversation.add_generation_prompt, conversation.continue_final_message) == (False, True)
    assert conversation.messages == [pb.Message(role="assistant", content=[pb.ContentPart(text="So")])]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "this has none"),
        ({"prompt": "p", "messages": []}, "this has prompt and messages"),
        ({"prompt_token_ids": [1], "raw": True}, "raw does not go together with prompt_token_ids"),
        ({"prompt": "p", "stop": ["a"]}, "takes no 'stop': did you mean stop_sequences"),
        ({"prompt": "p", "temperture": 1}, "did you mean temperature"),
        ({"prompt": "p", "qqq": 1}, "it takes add_generation_prompt, "),
        ({"prompt": "p", "temperature": "hot"}, "temperature can't be 'hot'"),
        ({"prompt": ["p"]}, "prompt can't be"),
        ({"prompt": "p", "priority": "now"}, 'give "online" or "batch"'),
        ({"prompt": "p", "tool_choice": 3}, 'give "auto"'),
        ({"prompt": "p", "tools": [{"name": "f", "strict": True}]}, r"tools\[0\] takes no 'strict'"),
        ({"prompt": "p", "response_format": 3}, "response_format is of type int"),
        ({"prompt": "p", "tools": [{"function": "f"}]}, r"tools\[0\] takes no 'function'"),
        ({"prompt": "p", "tools": [3]}, r"tools\[0\] is of type int"),
        ({"prompt": "p", "tool_choice": {"function": "f"}}, 'give "auto"'),
        ({"prompt": "p", "tool_choice": {"function": {"name": "f"}, "name": "g"}}, "tool_choice takes no 'name'"),
        (
            {"prompt": "p", "tool_choice": {"function": {"name": "f", "strict": True}}},
            "tool_choice.function takes no 'strict'",
        ),
        (
            {"prompt": "p", "response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema.schema is of type NoneType",
        ),
        (
            {"prompt": "p", "response_format": {"type": "json_schema", "json_schema": {"schema": {}, "srict": True}}},
            "response_format.json_schema takes no 'srict'",
        ),
        (
            {"prompt": "p", "response_format": {"type": "json_object", "json_schema": {"type": "object"}}},
            "response_format takes no 'json_schema'",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}, "arguments": "{}"}]}]},
            r"tool_calls\[0\] takes no 'arguments'",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "args": "{}"}}]}]},
            r"tool_calls\[0\].function takes no 'args'",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": 3}]}]},
            r"\[0\].function is of type int",
        ),
        (
            {"prompt": "p", "tools": [{"type": "web_search", "name": "f"}]},
            r"tools\[0\].type is 'web_search': models here",
        ),
        ({"prompt": "p", "tools": [{"type": "custom", "function": {"name": "f"}}]}, r"tools\[0\].type is 'custom'"),
        ({"prompt": "p", "tools": [{"function": {"type": "function", "name": "f"}}]}, r"tools\[0\] takes no 'type'"),
        ({"prompt": "p", "tool_choice": {"type": "custom", "name": "f"}}, "tool_choice.type is 'custom'"),
        ({"prompt": "p", "tool_choice": {"type": 5, "function": {"name": "f"}}}, "tool_choice.type is 5"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"type": "custom", "name": "f"}]}]},
            r"tool_calls\[0\].type is 'custom'",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"type": [], "function": {"name": "f"}}]}]},
            r"tool_calls\[0\].type is \[\]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {}}]}]},
            r"content\[0\] takes no 'cache_control'",
        ),
        ({"messages": [{"role": "user", "content": 3}]}, r"\[0\].content is of type int"),
        ({"messages": "hello"}, "give a list of them"),
        ({"messages": [{"content": "hello"}]}, r"messages\[0\] has no role"),
        ({"messages": [{"role": "user", "text": "hello"}]}, r"messages\[0\] takes no 'text'"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            r"content\[0\] is no text but 'image_url'",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_what_to_give(options, words):
    with pytest.raises(TypeError, match=words):
        make_request("m", **options)


def test_a_count_takes_what_makes_a_prompt_and_nothing_else():
    assert set(PromptOptions.__annotations__) < set(RunOptions.__annotations__)
    assert make_prompt_request("m", prompt="p", truncate_prompt_tokens=2).truncate_prompt_tokens == 2
    with pytest.raises(TypeError, match="count_tokens takes no 'temperature'"):
        make_prompt_request("m", prompt="p", temperature=0.0)  # type: ignore[call-arg]


CALL = pb.ToolCall(id="1", name="Weather", arguments_json='{"city": "Köln"}')


@pytest.mark.parametrize(
    "message",
    [
        Message("assistant", tool_calls=[ToolCall("1", "Weather", '{"city": "Köln"}')]),
        pb.Message(role="assistant", tool_calls=[CALL]),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "name": "Weather", "arguments": {"city": "Köln"}}],
        },
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "Weather", "arguments": '{"city": "Köln"}'}}
            ],
        },
    ],
)
def test_a_message_with_a_call_can_be_written_in_each_way(message):
    (made,) = make_request("m", messages=[message]).conversation.messages
    assert "".join(part.text for part in made.content) == ""
    assert list(made.tool_calls) == [CALL]


@pytest.mark.parametrize(
    "content", ["one two", ["one ", "two"], [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]]
)
def test_content_is_a_text_or_parts_of_one(content):
    (made,) = make_request(
        "m", messages=[{"role": "tool", "content": content, "tool_call_id": "1"}]
    ).conversation.messages
    assert "".join(part.text for part in made.content) == "one two"
    assert made.tool_call_id == "1"


SCHEMA = (
    '{"description": "Tells the weather.", "properties": {"city": {"title": "City", "type": "string"}}, '
    '"required": ["city"], "title": "Weather", "type": "object"}'
)


@pytest.mark.parametrize("parameters", [Weather, Weather.model_json_schema(), SCHEMA])
def test_a_tool_can_be_written_in_each_way(parameters):
    function = {"name": "Weather", "description": "Tells the weather.", "parameters": parameters}
    ways: list[Any] = [
        Weather,
        Tool("Weather", "Tells the weather.", parameters),
        {"type": "function", "function": function},
        {"type": "function", **function},
    ]
    made = make_request("m", prompt="p", tools=ways).tools
    assert list(made) == [pb.Tool(name="Weather", description="Tells the weather.", parameters_json=SCHEMA)] * 4


ValueT = TypeVar("ValueT")


class Box(pydantic.BaseModel, Generic[ValueT]):
    """Holds a value."""

    value: ValueT


def test_a_generic_model_is_a_tool_with_a_name_that_tools_may_have():
    request = make_request("m", prompt="p", tools=[Box[int]], tool_choice=Box[int])
    (tool,) = request.tools
    assert (tool.name, tool.description, request.tool_choice.name) == ("Box_int_", "Holds a value.", "Box_int_")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_AUTO)),
        ("none", pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_NONE)),
        ("required", pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)),
        ("Weather", pb.ToolChoice(name="Weather")),
        (Weather, pb.ToolChoice(name="Weather")),
        ({"type": "function", "function": {"name": "auto"}}, pb.ToolChoice(name="auto")),
    ],
)
def test_a_choice_of_tools_can_be_written_in_each_way(choice, expected):
    assert make_request("m", prompt="p", tool_choice=choice).tool_choice == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("json_object", pb.ResponseFormat(json_object=pb.JsonObject())),
        ({"type": "json_object"}, pb.ResponseFormat(json_object=pb.JsonObject())),
        (Weather, pb.ResponseFormat(json_schema=SCHEMA)),
        ({"type": "object"}, pb.ResponseFormat(json_schema='{"type": "object"}')),
        ('{"type": "object"}', pb.ResponseFormat(json_schema='{"type": "object"}')),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            pb.ResponseFormat(json_schema='{"type": "object"}'),
        ),
        (
            {"type": "json_schema", "json_schema": {"type": "object"}},
            pb.ResponseFormat(json_schema='{"type": "object"}'),
        ),
        (Regex("a+"), pb.ResponseFormat(regex="a+")),
        (Choice("a", "b"), pb.ResponseFormat(choice=pb.Choice(values=["a", "b"]))),
    ],
)
def test_a_form_can_be_written_in_each_way(form, expected):
    assert make_request("m", prompt="p", response_format=form).response_format == expected


def test_a_form_of_plain_text_is_none():
    assert not make_request("m", prompt="p", response_format={"type": "text"}).HasField("response_format")


def test_a_priority_and_a_single_stop_sequence_are_words():
    request = make_request("m", prompt="p", priority="batch", stop_sequences="END")
    assert (request.priority, list(request.stop_sequences)) == (pb.PRIORITY_BATCH, ["END"])
