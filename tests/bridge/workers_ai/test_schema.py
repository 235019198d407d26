"""What is refused, and in which words."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bridge.errors import AiError
from bridge.workers_ai.request import parse_run_body
from bridge.workers_ai.schema import MESSAGES_SCHEMA, PROMPT_SCHEMA, check_input
from bridge.workers_ai.translation import RunInput, to_run_input
from tests.support.json_bodies import BODIES, JSON, WORDS

NO_MATCH = "oneOf at '/' not met, 0 matches: "
PROMPT_MISSING = "required properties at '/' are 'prompt'"
MESSAGES_MISSING = "required properties at '/' are 'messages'"


def refusal(body):
    with pytest.raises(AiError) as refused:
        parse_run_body("m", body if isinstance(body, bytes) else json.dumps(body).encode())
    assert refused.value.reason == "INVALID_REQUEST"
    return refused.value.description


def run_request(body):
    run_body = parse_run_body("m", body)
    assert isinstance(run_body, RunInput)
    return run_body.request


def test_both_schemas_are_schemas():
    Draft202012Validator.check_schema(PROMPT_SCHEMA)
    Draft202012Validator.check_schema(MESSAGES_SCHEMA)


def test_neither_prompt_nor_messages_names_both():
    assert refusal({}) == f"{NO_MATCH}{PROMPT_MISSING}, {MESSAGES_MISSING}"


def test_prompt_and_messages_are_two_matches():
    assert refusal({"prompt": "hi", "messages": []}) == "oneOf at '/' not met, 2 matches"


def test_every_violated_path_is_named():
    messages = [{"role": "user", "content": 4}, {"role": "user"}, "hi"]
    assert refusal({"messages": messages}) == (
        f"{NO_MATCH}{PROMPT_MISSING}, "
        "Type mismatch of '/messages/0/content', 'integer' not in 'string,array,null', "
        "required properties at '/messages/1' are 'role,content', "
        "Type mismatch of '/messages/2', 'string' not in 'object'"
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("top_k", 51, "'/top_k' must be <= 50"),
        ("top_k", 0, "'/top_k' must be >= 1"),
        ("top_p", 0, "'/top_p' must be >= 0.001"),
        ("temperature", 5.5, "'/temperature' must be <= 5"),
        ("max_tokens", 0, "'/max_tokens' must be >= 1"),
        ("max_tokens", -5, "'/max_tokens' must be >= 1"),
        ("max_tokens", "5", "Type mismatch of '/max_tokens', 'string' not in 'integer'"),
        ("max_tokens", 5.5, "Type mismatch of '/max_tokens', 'number' not in 'integer'"),
        ("max_tokens", True, "Type mismatch of '/max_tokens', 'boolean' not in 'integer'"),
        ("temperature", "hot", "Type mismatch of '/temperature', 'string' not in 'number'"),
        ("seed", 0, "'/seed' must be >= 1"),
        ("repetition_penalty", -0.1, "'/repetition_penalty' must be >= 0.01"),
        ("min_p", 1.1, "'/min_p' must be <= 1"),
        ("min_tokens", -1, "'/min_tokens' must be >= 0"),
        ("ignore_eos", "yes", "Type mismatch of '/ignore_eos', 'string' not in 'boolean'"),
        ("logit_bias", [5], "Type mismatch of '/logit_bias', 'array' not in 'object'"),
        ("logit_bias", {"5": "x"}, "Type mismatch of '/logit_bias/5', 'string' not in 'number'"),
        ("logit_bias", {"5": 101}, "'/logit_bias/5' must be <= 100"),
        ("logit_bias", {"York": 1}, "names at '/logit_bias' must match '^(0|[1-9][0-9]{0,9})$'"),
        ("logit_bias", {"9" * 5000: 1}, "names at '/logit_bias' must match '^(0|[1-9][0-9]{0,9})$'"),
        ("stream", "true", "Type mismatch of '/stream', 'string' not in 'boolean'"),
        ("raw", 1, '\'/raw\' must be one of [true, false, "true", "false"]'),
        ("repetition_penalty", 0, "'/repetition_penalty' must be >= 0.01"),
        ("logit_bias", dict.fromkeys(map(str, range(1025)), 1), "Number of entries of '/logit_bias' must be <= 1024"),
        ("stop", ["a", ""], "Length of '/stop/1' must be >= 1"),
        ("stop", "x" * 257, "Length of '/stop' must be <= 256"),
        ("stop", ["a"] * 9, "Number of entries of '/stop' must be <= 8"),
        ("stop", [1], "Type mismatch of '/stop/0', 'integer' not in 'string'"),
        ("response_format", {"type": "xml"}, '\'/response_format/type\' must be one of ["json_object", "json_schema"]'),
    ],
)
def test_a_field_is_refused_with_its_path(name, value, words):
    assert refusal({"prompt": "hi", name: value}) == f"{NO_MATCH}{words}, {MESSAGES_MISSING}"


def test_an_empty_prompt_is_too_short():
    assert refusal({"prompt": ""}).startswith(f"{NO_MATCH}Length of '/prompt' must be >= 1")


@pytest.mark.parametrize(("body", "kind"), [([], "array"), ("hi", "string"), (None, "null"), (4, "integer")])
def test_a_body_that_is_no_object_is_refused(body, kind):
    assert refusal(body) == f"Type mismatch of '/', '{kind}' not in 'object'"


def test_a_tool_that_is_spelled_neither_way_is_told_both():
    words = refusal({"messages": [], "tools": [{"function": {}}]})
    assert "required properties at '/tools/0' are 'name'" in words
    assert "required properties at '/tools/0' are 'type,function'" in words


def test_of_a_tool_that_is_spelled_both_ways_openais_spelling_counts():
    tool = {"type": "function", "name": "flat", "function": {"name": "nested"}}
    (taken,) = to_run_input("@cf/m", check_input({"prompt": "hi", "tools": [tool]})).request.tools
    assert taken.name == "nested"


def test_a_tools_name_has_few_characters():
    words = refusal({"prompt": "hi", "tools": [{"name": "add two"}]})
    assert "'/tools/0/name' must match '^[a-zA-Z0-9_.:/-]{1,256}$'" in words


def test_only_a_message_that_calls_tools_may_leave_content_out():
    calls = [{"name": "add", "arguments": {}}]
    check_input({"messages": [{"role": "assistant", "tool_calls": calls}]})
    words = "required properties at '/messages/0' are 'role,content'"
    nothings: list[dict[str, Any]] = [{}, {"tool_calls": None}, {"tool_calls": []}]
    for nothing in nothings:
        assert words in refusal({"messages": [{"role": "assistant", **nothing}]})


def test_of_a_key_that_stands_twice_the_last_value_counts():
    assert run_request(b'{"prompt":"a","prompt":"b"}').prompt.text == "b"


@pytest.mark.parametrize("name", ["json_schema", "schema"])
def test_the_schema_of_a_response_format_is_one(name):
    words = f"Type mismatch of '/response_format/{name}', 'string' not in 'object,boolean,null'"
    assert words in refusal({"prompt": "hi", "response_format": {"type": "json_schema", name: "{}"}})


def test_functions_are_refused_clearly():
    assert refusal({"prompt": "hi", "functions": [{"name": "f", "code": ""}]}).startswith(
        "'/functions' is not supported"
    )


def test_a_long_list_of_violations_is_cut():
    words = refusal({"messages": [1] * 1000})
    assert words.endswith("'/messages/18', 'integer' not in 'object', and more")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"prompt": ', "the body is not JSON: Expecting value at line 1 column 12"),
        (b'{"prompt": "\xff"}', "the body is not UTF-8 at byte 12"),
        (b'{"prompt":"x","temperature":NaN}', "the body has a number that is not finite or too long"),
        (b'{"prompt":"x","temperature":-1e999}', "the body has a number that is not finite or too long"),
        (b'{"prompt":"x","seed":' + b"9" * 5000 + b"}", "the body has a number that is not finite or too long"),
        (b'{"prompt":"\\ud800"}', "a string has a lone surrogate, which is no character"),
        (b"[" * 50_000, "the body is nested too deeply"),
        (b'{"prompt":"x","tools":' + b"[" * 50_000, "the body is nested too deeply"),
    ],
)
def test_what_is_not_json_is_refused(body, words):
    assert refusal(body) == words


def test_a_byte_order_mark_is_no_mistake():
    assert run_request(b'\xef\xbb\xbf{"prompt":"x"}').prompt.text == "x"


@given(BODIES)
def test_any_json_is_a_question_or_a_refusal(body):
    with suppress(AiError):
        parse_run_body("m", json.dumps(body).encode())


@given(st.dictionaries(st.sampled_from(WORDS), JSON.filter(lambda value: value is not None)))
def test_the_check_decides_as_the_whole_schema_does(body):
    is_one = Draft202012Validator({"oneOf": [PROMPT_SCHEMA, MESSAGES_SCHEMA]}).is_valid(body)
    try:
        check_input(body)
    except AiError:
        # Of prompt and messages together, a wrong one does not make the other right.
        assert not is_one or body.keys() >= {"prompt", "messages"}
    else:
        assert is_one


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"name": "flat", "function": {"description": "nested"}}]},
        {"tool_choice": {"type": "function", "name": "flat", "function": {}}},
        {"messages": [{"role": "assistant", "tool_calls": [{"name": "flat", "arguments": {}, "function": {}}]}]},
    ],
)
def test_a_spelling_that_is_neither_of_the_two_is_refused(fields):
    with pytest.raises(AiError, match="function"):
        check_input({"messages": [{"role": "user", "content": "hi"}], **fields})
