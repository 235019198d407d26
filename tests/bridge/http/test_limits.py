"""Every list, text and object that a request may have has a limit, which is told and kept before entries are read."""

import itertools
import json
from typing import Any

import pytest

from bridge.errors import AiError
from bridge.openai.schema import CHAT_SCHEMA, COMPLETION_SCHEMA
from bridge.validation.validator import SchemaValidator
from bridge.workers_ai.request import parse_run_body
from bridge.workers_ai.schema import MESSAGES_SCHEMA, PROMPT_SCHEMA
from tests.support.openai_asking import parse_chat, parse_completion

SCHEMAS = {
    "prompt": PROMPT_SCHEMA,
    "messages": MESSAGES_SCHEMA,
    "chat": CHAT_SCHEMA,
    "completion": COMPLETION_SCHEMA,
}

# Texts whose limit is the model's, in tokens, or the service's, in characters; or that are refused whatever they say.
LIMITED_ELSEWHERE = {
    *("/prompt", "/prompt/*", "/messages/*/content", "/messages/*/content/*/text", "/messages/*/content/*/refusal"),
    *("/messages/*/reasoning", "/messages/*/reasoning_content"),
    *("/messages/*/refusal", "/messages/*/tool_calls/*/arguments", "/messages/*/tool_calls/*/function/arguments"),
    *("/messages/*/content/*/type", "/tool_choice/function/name", "/tool_choice/name", "/lora", "/model"),
}


def parts(schema: Any, path: str = ""):
    """Each schema within a schema with the path that it is for."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from parts(inner, f"{path}/{name}")
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        yield from parts(inner, f"{path}/*")
    for inner in schema.get("oneOf", []):
        yield from parts(inner, path)


def types(schema):
    kind = schema.get("type", [])
    return [kind] if isinstance(kind, str) else kind


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_list_and_text_has_a_limit(name):
    boundless = set()
    for path, schema in parts(SCHEMAS[name]):
        if "array" in types(schema) and "maxItems" not in schema:
            boundless.add(path)
        if "string" in types(schema) and not schema.keys() & {"maxLength", "enum", "pattern"}:
            boundless.add(path)
        if schema.get("additionalProperties") and "maxProperties" not in schema:
            boundless.add(path)
    assert boundless <= LIMITED_ELSEWHERE


CALL = {"name": "a", "arguments": {}}
NESTED_CALL = {"function": {"name": "a", "arguments": {}}}
ASSISTANT = {"role": "assistant"}


def messages(message, number=1):
    return {"messages": [message] * number}


def tools(**function):
    return {"prompt": "hi", "tools": [{"name": "a", **function}]}


# For each limit: what is told, what is just let pass, what is refused.
CASES: dict[str, tuple[str, Any]] = {
    "messages": (
        "entries of '/messages' must be <= 4096",
        lambda over: messages({"role": "user", "content": ""}, 4096 + over),
    ),
    "parts": (
        "entries of '/messages/0/content' must be <= 1024",
        lambda over: messages({"role": "user", "content": [{"type": "text", "text": ""}] * (1024 + over)}),
    ),
    "calls": (
        "entries of '/messages/0/tool_calls' must be <= 128",
        lambda over: messages({**ASSISTANT, "tool_calls": [CALL, NESTED_CALL] * 64 + [CALL] * over}),
    ),
    "roles": (
        "Length of '/messages/0/role' must be <= 64",
        lambda over: messages({"role": "r" * (64 + over), "content": ""}),
    ),
    "ids of calls": (
        "Length of '/messages/0/tool_calls/0/id' must be <= 4096",
        lambda over: messages({**ASSISTANT, "tool_calls": [{**CALL, "id": "i" * (4096 + over)}]}),
    ),
    "ids of OpenAI's calls": (
        "Length of '/messages/0/tool_calls/0/id' must be <= 4096",
        lambda over: messages({**ASSISTANT, "tool_calls": [{**NESTED_CALL, "id": "i" * (4096 + over)}]}),
    ),
    "names of calls": (
        "Length of '/messages/0/tool_calls/0/name' must be <= 1024",
        lambda over: messages({**ASSISTANT, "tool_calls": [{**CALL, "name": "n" * (1024 + over)}]}),
    ),
    "ids of results": (
        "Length of '/messages/0/tool_call_id' must be <= 4096",
        lambda over: messages({"role": "tool", "content": "", "tool_call_id": "i" * (4096 + over)}),
    ),
    "names of results": (
        "Length of '/messages/0/name' must be <= 1024",
        lambda over: messages({"role": "tool", "content": "", "name": "n" * (1024 + over)}),
    ),
    "tools": (
        "entries of '/tools' must be <= 128",
        lambda over: {"prompt": "hi", "tools": [{"name": f"t{number}"} for number in range(128 + over)]},
    ),
    "descriptions": (
        "Length of '/tools/0/description' must be <= 65536",
        lambda over: tools(description="d" * (65_536 + over)),
    ),
    "stops": ("entries of '/stop' must be <= 8", lambda over: {"prompt": "hi", "stop": ["a"] * (8 + over)}),
    "biases": (
        "entries of '/logit_bias' must be <= 1024",
        lambda over: {"prompt": "hi", "logit_bias": {str(number): 1 for number in range(1024 + over)}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_limit_is_inclusive_and_told(case):
    words, body = CASES[case]
    parse_run_body("m", json.dumps(body(0)).encode())
    with pytest.raises(AiError, match="must be <=") as refused:
        parse_run_body("m", json.dumps(body(1)).encode())
    assert words in refused.value.description


@pytest.mark.parametrize("case", sorted(CASES.keys() - {"roles"}))
def test_chat_completions_have_the_same_limits(case):
    words, body = CASES[case]
    told = {"model": "m", **messages({"role": "user", "content": "hi"}), **body(1)}
    told.pop("prompt", None)
    with pytest.raises(AiError) as refused:
        parse_chat(json.dumps(told).encode())
    assert words in refused.value.description


class Unread(list):
    """A list whose entries must not be looked at."""

    def __iter__(self):
        raise AssertionError("the entries were read")


class UnreadObject(dict):
    """An object whose entries must not be looked at."""

    def __iter__(self):
        raise AssertionError("the entries were read")

    items = values = keys = __iter__


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_too_long_is_refused_for_that_alone(name):
    for path, schema in parts(SCHEMAS[name]):
        if limit := schema.get("maxItems"):
            (error, *_) = errors = list(SchemaValidator(schema).iter_errors(Unread([0] * (limit + 1))))
            assert (error.validator, len(errors)) == ("maxItems", 1), path
        if limit := schema.get("maxProperties"):
            entries = UnreadObject(zip(map(str, range(limit + 1)), itertools.repeat(0)))
            (error, *_) = errors = list(SchemaValidator(schema).iter_errors(entries))
            assert (error.validator, len(errors)) == ("maxProperties", 1), path


def test_a_long_name_in_a_path_is_cut():
    with pytest.raises(AiError) as refused:
        parse_run_body("m", json.dumps({"prompt": "hi", "logit_bias": {"9" * 100_000: "x"}}).encode())
    assert len(refused.value.description) < 1000
    assert f"'/logit_bias/{'9' * 64}…'" in refused.value.description


@pytest.mark.parametrize(
    ("field", "lowest", "highest"),
    [
        ("repetition_penalty", 0.01, 2),
        ("frequency_penalty", -2, 2),
        ("presence_penalty", -2, 2),
        ("temperature", 0, 5),
        ("min_p", 0, 1),
    ],
)
@pytest.mark.parametrize("parse", [lambda body: parse_run_body("m", body), parse_completion])
def test_ranges_are_inclusive_and_kept(parse, field, lowest, highest):
    for value in (lowest, highest):
        parse(json.dumps({"model": "m", "prompt": "hi", field: value}).encode())
    for value, words in ((lowest - 0.001, f">= {lowest}"), (highest + 0.001, f"<= {highest}")):
        with pytest.raises(AiError, match=f"'/{field}' must be {words}"):
            parse(json.dumps({"model": "m", "prompt": "hi", field: value}).encode())


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_default_of_max_tokens_is_told(schema):
    assert schema["properties"]["max_tokens"]["default"] == 256
