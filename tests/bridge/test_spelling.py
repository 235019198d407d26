"""Faults are told by the places that are in the body, whichever way it is spelled."""

import json
import re

import grpc
import pytest

from bridge.spelling import respelled
from tests.support.fake_service import failure
from tests.support.openai_asking import CHAT, COMPLETION, IN_ACCOUNT, V1

FLAT = {"name": "add"}
NESTED = {"type": "function", "function": FLAT}
CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
USER = {"role": "user", "content": "hi"}
SECOND = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": FLAT}]}}
OTHER = {"type": "function", "function": {"name": "other"}}

PATHS = [
    ({"tools": [NESTED]}, "tools[0].parameters_json", "/tools/0/function/parameters"),
    ({"tools": [OTHER, NESTED]}, "tools[1].name", "/tools/1/function/name"),
    ({"tools": [FLAT]}, "tools[0].parameters_json", "/tools/0/parameters"),
    ({"tools": [OTHER, NESTED], "tool_choice": SECOND}, "tools[0].name", "/tools/1/function/name"),
    (
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}]},
        "conversation.messages[1].tool_calls[0].name",
        "/messages/1/tool_calls/0/function/name",
    ),
    ({"max_completion_tokens": 5}, "sampling_params.max_tokens", "/max_completion_tokens"),
    ({"max_tokens": 5}, "sampling_params.max_tokens", "/max_tokens"),
    ({"guided_json": {}}, "response_format.json_schema", "/guided_json"),
    ({"structured_outputs": {"regex": "a"}}, "response_format.regex", "/structured_outputs/regex"),
    ({"guided_choice": ["a"]}, "response_format.choice.values", "/guided_choice"),
    ({"stop_token_ids": [5]}, "stop_token_ids[0]", "/stop_token_ids/0"),
    ({"bad_words": ["a"]}, "sampling_params.bad_words[0]", "/bad_words/0"),
    ({"prompt_logprobs": 5}, "sampling_params.top_prompt_logprobs", "/prompt_logprobs"),
    ({"include_stop_str_in_output": True}, "include_stop_sequence", "/include_stop_str_in_output"),
    ({"add_generation_prompt": False}, "conversation.add_generation_prompt", "/add_generation_prompt"),
    ({"continue_final_message": True}, "conversation.continue_final_message", "/continue_final_message"),
]


def refused(field: str):
    words = f"{field} is wrong, and so is {field}"
    return failure(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", words, field=field)


@pytest.mark.parametrize(("fields", "field", "pointer"), PATHS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_fault_has_the_place_that_is_in_the_body(bridge, service, fields, field, pointer, stream):
    service.status, service.parts = refused(field), []
    body = {**CHAT, **fields, "stream": stream and "prompt_logprobs" not in fields}
    if not {"tool_choice", "max_completion_tokens", "prompt_logprobs"} & fields.keys():
        native = {name: value for name, value in body.items() if name != "stream"}
        assert (await bridge.run(native)).error[2].count(f"'{pointer}'") == 2
    for base in (V1, IN_ACCOUNT):
        answer = await bridge.ask("POST", f"{base}/chat/completions", json=body)
        assert answer.body.decode().count(f"'{pointer}'") == 2
        if base == V1:
            param = re.sub(r"/(\d+)", r"[\1]", pointer[1:]).replace("/", ".")
            assert json.loads(answer.body)["error"]["param"] == param
    assert is_in(body, pointer)


def is_in(body: object, pointer: str) -> bool:
    """Whether a body has the object that a place stands in."""
    *steps, _ = pointer[1:].split("/")
    for step in steps:
        assert isinstance(body, dict | list)
        body = body[int(step)] if isinstance(body, list) else body[step]
    return True


async def test_tokens_of_a_prompt_have_the_place_of_the_prompt(bridge, service):
    service.status = refused("prompt_token_ids.values[1]")
    answer = await bridge.ask("POST", f"{V1}/completions", json={**COMPLETION, "prompt": [5, 6]})
    assert json.loads(answer.body)["error"]["param"] == "prompt[1]"


async def test_a_fault_of_a_batch_has_its_place_too(bridge, service):
    service.status = refused("items[1].request.tools[0].parameters_json")
    body = {"requests": [{"messages": [USER]}, {"messages": [USER], "tools": [NESTED]}]}
    answer = await bridge.ask("POST", bridge.run_url.removeprefix(bridge.url) + "?queueRequest=true", json=body)
    assert "'/requests/1/tools/0/function/parameters'" in answer.error[2]


@pytest.mark.parametrize(
    ("pointer", "expected"), [("/tools/1/name", "/a/name"), ("/tools/1", "/a"), ("/tools/11", "/tools/11"), ("/", "/")]
)
def test_a_place_moves_with_all_below_it_and_nothing_else(pointer, expected):
    assert respelled(pointer, {"/tools/1": "/a"}) == expected


async def test_a_form_that_can_not_be_has_the_name_of_its_field(bridge, service):
    status = failure(
        grpc.StatusCode.INVALID_ARGUMENT, "FORMAT_UNSATISFIABLE", "response_format can't be", field="response_format"
    )
    service.status = status
    assert "'/guided_regex' can't be" in (await bridge.run({"messages": [USER], "guided_regex": "("})).error[2]
