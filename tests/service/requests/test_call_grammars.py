"""Grammars of calls: whatever way a model takes by one, it writes a call that fits, as its family was trained to."""

import json
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from runstream.v1 import text_generation_pb2 as pb
from tokenizers import AddedToken

from service.engine_protocol.messages import GrammarSpec
from service.engine_protocol.thinking import Thinking
from service.output.tool_formats.formats import shown_tokens
from service.output.tool_formats.special_tokens import SHOWN
from service.requests.call_format import CallFormat
from service.requests.forced_calls import forced_call, with_calls
from service.requests.response_format import to_form
from tests.support.grammars import Model, save_model
from tests.support.tokenizers import byte_fallback_tokenizer, byte_level_tokenizer
from tests.support.tool_calls import search

REQUIRED = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)
POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False}


ENDING = frozenset('"}])0')


def walked(model: Model, request: pb.RunRequest, call_format: CallFormat, seed: int) -> list[tuple[str, str]]:
    """The calls of a completion that goes any way that its grammar allows, soon to the end of each value."""
    asked_form = forced_call(request)
    assert asked_form is not None
    text = walk(model, asked_form.grammar(call_format), seed, call_format)
    found = search(text, call_format=call_format, names=[tool.name for tool in request.tools])
    assert (found.text, found.is_broken, found.has_rest) == ("", False, False), text
    return found.calls


def walk(model: Model, grammar: GrammarSpec, seed: int, call_format: CallFormat) -> str:
    return walk_behind(model, model.compiler.compile(grammar).result(), "", call_format, seed)


def walk_behind(model: Model, matcher: Any, written: str, call_format: CallFormat, seed: int = 1) -> str:
    """What a grammar has a model write, behind what it has written."""
    chance = random.Random(seed)
    ids = model.token_ids(written) if written else []
    for token_id in ids:
        matcher.accept(token_id)
    while not matcher.is_complete:
        bits = matcher.allowed(frozenset()).numpy().view("uint8")
        allowed = [int(index) for index in np.flatnonzero(np.unpackbits(bits, bitorder="little"))]
        ending = [token_id for token_id in allowed if model.text([token_id]) in ENDING]
        ids.append(chance.choice(ending if ending and chance.random() < 0.5 else allowed))
        matcher.accept(ids[-1])
    return model.text(ids, shown_tokens(call_format))


@pytest.fixture(scope="module", params=["with tokens", "written out", "sentencepiece"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """Models whose vocabulary has the markers of calls as tokens, or none of them."""
    tokenizer = byte_fallback_tokenizer(512) if request.param == "sentencepiece" else byte_level_tokenizer(512)
    if request.param != "written out":
        tokenizer.add_special_tokens(["[TOOL_CALLS]", "[ARGS]"])
        tokenizer.add_tokens([AddedToken(token, normalized=False) for token in ("<tool_call>", "</tool_call>")])
    model = Model(save_model(tmp_path_factory.mktemp("trained"), tokenizer))
    with closing(model.compiler):
        yield model


@pytest.mark.parametrize("name", ["mcp.files:read/all", "a-b_c" * 51])
@pytest.mark.parametrize("call_format", CallFormat)
def test_a_tool_of_any_name_that_is_taken_can_be_called(trained, name, call_format):
    request = pb.RunRequest(tools=[pb.Tool(name=name)], tool_choice=REQUIRED)
    assert walked(trained, request, call_format, seed=1) == [(name, "{}")]


SCHEMAS: dict[str, dict] = {
    "enum": {"properties": {"unit": {"enum": ["C", "F", "°"]}}, "required": ["unit"]},
    "nested": {"type": ["object", "null"], "properties": {"at": POINT, "many": {"type": "array", "items": POINT}}},
    "reference": {"$ref": "#/$defs/a~1b", "$defs": {"a/b": POINT}},
    "open": {"properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "integer"}},
}
SCHEMAS["flags"] = {
    "type": "object",
    "properties": {
        "on": {"type": "boolean"},
        "all": {"type": "array", "items": {"type": ["boolean", "null"]}},
        "how": {"anyOf": [{"enum": [None, 'a"b', 4]}, {"type": "object", "properties": {"x": {"type": "boolean"}}}]},
        "who": {"type": ["string", "null"], "maxLength": 3},
        "n": {"type": "integer", "description": "a number"},
    },
    "required": ["all", "n"],
}


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("call_format", CallFormat)
def test_a_forced_call_is_in_the_models_own_format_and_fits(trained, call_format, name):
    schema = SCHEMAS[name]
    tools = [pb.Tool(name="other"), pb.Tool(name="it", parameters_json=json.dumps(schema))]
    request = pb.RunRequest(tools=tools, tool_choice=pb.ToolChoice(name="it"))
    for seed in range(4):
        ((called, arguments_json),) = walked(trained, request, call_format, seed)
        assert called == "it"
        Draft202012Validator({**schema, "type": "object"}).validate(json.loads(arguments_json))


def nested_lists(depth: int) -> dict:
    return {"type": "array", "items": nested_lists(depth - 1)} if depth else {"type": "boolean"}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": nested_lists(50)}},
        {"properties": {f"p{index}": {"type": "boolean"} for index in range(2000)}},
        {"properties": {"a": {"anyOf": [{"type": "boolean"}, *({"$ref": f"#/$defs/{i}"} for i in range(900))]}}},
        {"properties": {"a": {"enum": [None, *("x" * 50 for _ in range(900))]}}},
    ],
)
@pytest.mark.parametrize("call_format", CallFormat)
def test_a_grammar_is_not_much_longer_than_its_schema(call_format, schema):
    schema = {**schema, "$defs": {str(index): {"const": index} for index in range(900)}}
    tool = pb.Tool(name="f", parameters_json=json.dumps(schema))
    asked_form = forced_call(pb.RunRequest(tools=[tool], tool_choice=REQUIRED))
    assert asked_form is not None
    texts = asked_form.grammar(call_format).texts
    assert sum(map(len, texts)) < 3 * len(tool.parameters_json) + 65_536


THINKING = Thinking("<think>", "</think>")


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("call_format", CallFormat)
def test_a_call_behind_thinking_is_in_the_models_own_format(trained, call_format, is_open):
    request = pb.RunRequest(tools=[pb.Tool(name="f", parameters_json=TRUE)], tool_choice=REQUIRED)
    asked_form = forced_call(request)
    assert asked_form is not None
    grammar = replace(asked_form.grammar(call_format), thinking=replace(THINKING, is_open=is_open))
    matcher = trained.compiler.compile(grammar).result()
    thought = "hm.</think>" if is_open else "<think>hm.</think>"
    text = walk_behind(trained, matcher, thought, call_format)
    for token, character in SHOWN.items():
        text = text.replace(character, token)
    assert text.removeprefix(thought) in OWN_FORMS[call_format]


OWN_FORMS = {
    CallFormat.HERMES: ['<tool_call>\n{"name": "f", "arguments": {"a": true}}\n</tool_call>'],
    CallFormat.MISTRAL: [f'[TOOL_CALLS]{space}[{{"name": "f", "arguments": {{"a": true}}}}]' for space in ("", " ")],
    CallFormat.MISTRAL_NAMED: ['[TOOL_CALLS]f[ARGS]{"a": true}'],
    CallFormat.PYTHONIC: ["[f(a=True)]"],
    CallFormat.LLAMA3_JSON: ['{"name": "f", "parameters": {"a": true}}'],
}
TRUE = json.dumps({"type": "object", "properties": {"a": {"const": True}}, "required": ["a"]})


@pytest.mark.parametrize("call_format", CallFormat)
def test_a_forced_call_is_written_as_the_family_was_trained_to(trained, call_format):
    request = pb.RunRequest(tools=[pb.Tool(name="f", parameters_json=TRUE)], tool_choice=REQUIRED)
    asked_form = forced_call(request)
    assert asked_form is not None
    text = walk(trained, asked_form.grammar(call_format), 1, call_format)
    for token, character in SHOWN.items():
        text = text.replace(character, token)
    assert text in OWN_FORMS[call_format]


@pytest.mark.parametrize("call_format", CallFormat)
def test_beside_a_form_of_json_a_call_is_in_the_models_own_format_too(trained, call_format):
    form = '{"type": "object", "properties": {"answer": {"const": 1}}, "required": ["answer"]}'
    request = pb.RunRequest(
        tools=[pb.Tool(name="f", parameters_json=TRUE)], response_format=pb.ResponseFormat(json_schema=form)
    )
    asked = to_form(request)
    assert asked is not None
    grammar = with_calls(asked, request).grammar(call_format)
    texts = {walk(trained, grammar, seed, call_format) for seed in range(8)}
    found = [search(text, call_format=call_format, names=["f"]) for text in texts]
    calls = [each.calls for each in found if each.calls]
    answers = [json.loads(each.text) for each in found if not each.calls]
    assert calls
    assert answers
    assert all(json.loads(arguments_json) == {"a": True} for ((_, arguments_json),) in calls)
    assert all(answer["answer"] == 1 for answer in answers)
