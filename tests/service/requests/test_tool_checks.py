"""What of tools is refused without asking the model, each by its field."""

import json

import pytest
from runstream.v1 import text_generation_pb2 as pb

from service.errors import InvalidRequestError
from service.requests.checks import check_request

CLOCK = pb.Tool(name="clock")
NONE = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_NONE)
UNKNOWN = pb.ToolChoice.FromString(bytes([8, 9]))
REQUIRED = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)


def prompt(*tools: pb.Tool, raw=False, **fields) -> pb.RunRequest:
    return pb.RunRequest(prompt=pb.Prompt(text="hi", raw=raw), tools=tools, **fields)


def with_parameters(parameters: object) -> pb.RunRequest:
    text = parameters if isinstance(parameters, str) else json.dumps(parameters)
    return prompt(pb.Tool(name="clock", parameters_json=text))


def spoken(raw=False, **fields) -> pb.RunRequest:
    messages = [pb.Message(**({"role": "assistant"} | fields))]
    return pb.RunRequest(conversation=pb.Conversation(messages=messages, raw=raw))


def called(**fields) -> pb.RunRequest:
    return spoken(tool_calls=[pb.ToolCall(name="clock"), pb.ToolCall(**({"name": "clock"} | fields))])


PARAMETERS = "tools[0].parameters_json"
MESSAGE = "conversation.messages[0]"
LARGE = pb.Tool(name="large", parameters_json=json.dumps({"title": "x" * 65_000}))
LARGE_TOOLS = [pb.Tool(name=f"large{index}", parameters_json=LARGE.parameters_json) for index in range(5)]


@pytest.mark.parametrize(
    ("request_", "field", "words"),
    [
        (prompt(*[pb.Tool(name=f"n{index}") for index in range(129)]), "tools", "129 tools: send at most 128"),
        (prompt(*LARGE_TOOLS), "tools", "262144 are the most"),
        (prompt(pb.Tool()), "tools[0].name", "must be 1 to 256"),
        (prompt(pb.Tool(name="a" * 257)), "tools[0].name", "must be 1 to 256"),
        (prompt(CLOCK, pb.Tool(name="what time?")), "tools[1].name", "must be 1 to 256"),
        (prompt(CLOCK, pb.Tool(name="o"), CLOCK), "tools[2].name", r"that of tools\[0\] too"),
        (with_parameters("{"), PARAMETERS, "can't be read"),
        (with_parameters("[]"), PARAMETERS, "must be a JSON object"),
        (with_parameters({"type": "string"}), PARAMETERS, 'set its type to "object"'),
        (with_parameters({"type": ["string", "null"]}), PARAMETERS, 'set its type to "object"'),
        (with_parameters('{"minimum": NaN}'), PARAMETERS, "not a finite number"),
        (with_parameters('{"title": "\\ud800"}'), PARAMETERS, "half of a surrogate pair"),
        (with_parameters('{"a": ' * 65 + "1" + "}" * 65), PARAMETERS, "deeper than 64 levels"),
        (with_parameters('{"a": ' * 9000 + "1" + "}" * 9000), PARAMETERS, "deeper than 64 levels"),
        (with_parameters({"title": "x" * 65_524}), PARAMETERS, "65537 characters; the most that can be used is 65536"),
        (prompt(CLOCK, tool_choice=pb.ToolChoice()), "tool_choice", "set mode or name"),
        (
            prompt(CLOCK, tool_choice=pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_UNSPECIFIED)),
            "tool_choice.mode",
            "must be one of TOOL_CHOICE_MODE_AUTO",
        ),
        (prompt(CLOCK, tool_choice=UNKNOWN), "tool_choice.mode", "is 9; it must be one of"),
        (prompt(CLOCK, tool_choice=pb.ToolChoice(name="")), "tool_choice.name", "none of the request's tools"),
        (prompt(CLOCK, tool_choice=pb.ToolChoice(name="cloc")), "tool_choice.name", "none of the request's tools"),
        (prompt(tool_choice=pb.ToolChoice(name="clock")), "tool_choice.name", "none of the request's tools"),
        (prompt(tool_choice=REQUIRED), "tool_choice.mode", "has no tools: send some"),
        (prompt(CLOCK, raw=True), "tools", "together with raw"),
        (spoken(role="user", tool_calls=[pb.ToolCall(name="clock")]), f"{MESSAGE}.tool_calls", "only for messages of"),
        (spoken(tool_call_id="1"), f"{MESSAGE}.tool_call_id", "only for messages of role 'tool', not 'assistant'"),
        (spoken(raw=True, tool_calls=[pb.ToolCall(name="clock")]), f"{MESSAGE}.tool_calls", "together with raw"),
        (called(name="what time?"), f"{MESSAGE}.tool_calls[1].name", "must be 1 to 256"),
    ],
)
def test_what_is_wrong_is_refused_by_its_field(request_, field, words):
    with pytest.raises(InvalidRequestError, match=words) as caught:
        check_request(request_)
    assert (caught.value.field, caught.value.reason) == (field, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "request_",
    [
        prompt(*[pb.Tool(name=f"{index:064}") for index in range(128)]),
        prompt(*LARGE_TOOLS[:4]),
        with_parameters({}),
        with_parameters({"title": "x" * 65_523}),
        with_parameters({"type": ["object", "null"], "$schema": "http://json-schema.org/draft-07/schema#"}),
        with_parameters({"properties": {"at": {"maximum": 2**63 - 1}}}),
        prompt(tool_choice=NONE),
        prompt(tool_choice=pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_AUTO)),
        prompt(CLOCK, tool_choice=REQUIRED),
        prompt(CLOCK, tool_choice=pb.ToolChoice(name="clock")),
        prompt(CLOCK, response_format=pb.ResponseFormat(regex="a")),
        prompt(CLOCK, tool_choice=NONE, raw=True, response_format=pb.ResponseFormat(regex="a")),
        prompt(pb.Tool(name="mcp.files:read/all" + "_" * 238)),
        called(id="1", arguments_json='{"at": 4.0}'),
        called(name="mcp.clock", arguments_json="now"),
        spoken(role="tool", tool_call_id="1", name="clock"),
        spoken(role="user", name="Ada"),
    ],
)
def test_what_is_right_is_accepted(request_):
    check_request(request_)
