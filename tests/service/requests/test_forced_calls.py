"""The form of a forced call: whatever a random model writes by it is a call with arguments that fit."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import pytest
from jsonschema import Draft202012Validator
from runstream.v1 import text_generation_pb2 as pb

from service.engine.grammars.matcher import GrammarError
from service.requests.call_format import CallFormat
from service.requests.forced_calls import forced_call
from tests.support.grammars import Model, save_model
from tests.support.tokenizers import byte_level_tokenizer
from tests.support.tool_calls import search

REQUIRED = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)

POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False}
SCHEMAS: dict[str, dict] = {
    "none": {"type": "object", "properties": {}},
    "enum": {"properties": {"unit": {"enum": ["C", "F", "°"]}}, "required": ["unit"]},
    "nested": {"type": ["object", "null"], "properties": {"at": POINT, "many": {"type": "array", "items": POINT}}},
    "definitions": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://example.com/it",
        "properties": {"at": {"$ref": "#/definitions/Point"}, "$ref": {"const": "#/x"}},
        "definitions": {"Point": POINT},
        "required": ["at", "$ref"],
    },
    "reference": {"$ref": "#/$defs/a~1b", "$defs": {"a/b": POINT}},
    "recursive": {"properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "n": {"type": "integer"}}},
    "pointer": {"properties": {"a": {"type": "boolean"}, "b": {"$ref": "#/properties/a"}}, "required": ["b"]},
    "unknown": {
        "title": "T",
        "properties": {
            "a": {"type": "string", "maxLength": 9, "format": "password", "x-order": 1, "default": {"$ref": "#/x"}}
        },
        "required": ["a"],
    },
    "open": {"properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "integer"}},
}


def asked(*names: str, choice: pb.ToolChoice = REQUIRED) -> pb.RunRequest:
    tools = [pb.Tool(name=name, parameters_json=json.dumps(SCHEMAS[name])) for name in names]
    return pb.RunRequest(tools=tools, tool_choice=choice)


# What MCP servers and SDKs send of a tool without parameters, and of objects of which nothing is known.
EMPTY = [
    "",
    "{}",
    '{"type": "object"}',
    '{"title": "Nothing"}',
    '{"type": "object", "properties": {}}',
    '{"type": ["object", "null"], "description": "x"}',
    '{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}',
    '{"type": "object", "additionalProperties": false}',
    '{"type": "object", "required": []}',
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    model = Model(save_model(tmp_path_factory.mktemp("tiny"), byte_level_tokenizer(512)))
    with closing(model.compiler):
        yield model


def call_of(model: Model, request: pb.RunRequest, seed: int):
    """The only call in what a model writes; None if it came to no end."""
    asked_form = forced_call(request)
    assert asked_form is not None
    text, _ = model.complete(asked_form.form.grammar, seed=seed, max_tokens=120)
    found = search(text, names=[tool.name for tool in request.tools])
    if found.is_broken or not found.calls:
        return None
    assert (found.text, found.has_rest) == ("", False)
    (call,) = found.calls
    return call


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_forced_call_has_arguments_that_fit_the_tool(model, name):
    whole = (call for seed in range(20) if (call := call_of(model, asked(name), seed)) is not None)
    calls = list(islice(whole, 2))
    assert len(calls) == 2
    for called, arguments_json in calls:
        assert called == name
        fitting = json.loads(arguments_json)
        schema = {key: value for key, value in SCHEMAS[name].items() if key not in ("$id", "$schema")}
        Draft202012Validator({**schema, "type": "object"}).validate(fitting)
        if "properties" in schema and name != "open":
            assert fitting.keys() <= schema["properties"].keys()


def follow(model, schema: str, written: str):
    """A forced call's grammar behind some text."""
    asked_form = forced_call(pb.RunRequest(tools=[pb.Tool(name="t", parameters_json=schema)], tool_choice=REQUIRED))
    assert asked_form is not None
    matcher = model.compiler.compile(asked_form.form.grammar).result()
    for character in f'{{"name": "t", "parameters": {written}':
        matcher.accept(model.token_id(character if character != " " else "Ġ"))
    return matcher


@pytest.mark.parametrize("schema", EMPTY)
def test_a_tool_without_parameters_is_called_with_none_at_once(model, schema):
    assert follow(model, schema, "{}}").is_complete
    with pytest.raises(GrammarError):
        follow(model, schema, '{"')


BARE = {"type": "object"}
NAMED = {**BARE, "properties": {"b": {"const": 1}}, "required": ["b"]}
BARE_INSIDE: list[tuple[dict, str, str]] = [
    ({"properties": {"a": BARE}}, '{"a": {}}', '{"a": {"'),
    ({"properties": {"a": {"type": "array", "items": BARE}}}, '{"a": [{}, {}]}', '{"a": [{}, {"'),
    ({"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": BARE}}, '{"a": {}}', '{"a": {"'),
    ({"properties": {"a": {"anyOf": [BARE, {"const": 2}]}}}, '{"a": {}}', '{"a": {"'),
    ({"properties": {"a": NAMED}}, '{"a": {"b": 1}}', '{"a": {"b": 1,'),
]


@pytest.mark.parametrize(("schema", "written", "too_much"), BARE_INSIDE)
def test_objects_inside_have_only_the_properties_that_they_name(model, schema, written, too_much):
    assert follow(model, json.dumps(schema), f"{written}}}").is_complete
    with pytest.raises(GrammarError):
        follow(model, json.dumps(schema), too_much)


OPEN: list[tuple[dict, str]] = [
    ({**BARE, "additionalProperties": True}, '{"z": 1}'),
    ({"properties": {"a": {**BARE, "additionalProperties": {"type": "integer"}}}}, '{"a": {"z": 1}}'),
    ({"patternProperties": {"^x": {}}}, '{"x": 1}'),
    ({"allOf": [{"properties": {"a": {}}, **BARE}, {"properties": {"b": {}}, **BARE}]}, '{"a": 1, "b": 2}'),
    ({"properties": {"a": {}}, "anyOf": [{"properties": {"b": {}}, **BARE}]}, '{"a": 1, "b": 2}'),
    ({**BARE, "required": ["a"]}, '{"a": 1}'),
    ({**BARE, "minProperties": 1}, '{"z": 1}'),
    ({**BARE, "propertyNames": {"pattern": "^x"}}, '{"xz": 1}'),
    ({"properties": {"a": {"title": "anything"}}}, '{"a": {"z": 1}}'),
]


@pytest.mark.parametrize(("schema", "written"), OPEN)
def test_an_object_that_says_something_of_other_properties_stays_open(model, schema, written):
    assert follow(model, json.dumps(schema), f"{written}}}").is_complete


def test_one_of_all_tools_is_called_or_the_one_that_is_named(model):
    names = ("none", "enum", "reference")
    free, named = asked(*names), asked(*names, choice=pb.ToolChoice(name="enum"))
    called = {call[0] for seed in range(6) if (call := call_of(model, free, seed)) is not None}
    called_by_name = {call[0] for seed in range(3) if (call := call_of(model, named, seed)) is not None}
    assert len(called) > 1
    assert called_by_name == {"enum"}


def test_a_forced_call_is_written_as_templates_write_earlier_ones(model):
    asked_form = forced_call(asked("nested", "definitions"))
    assert asked_form is not None
    for seed in range(3):
        text, _ = model.complete(asked_form.form.grammar, seed=seed, max_tokens=120)
        assert re.match(r'\{"name": "(nested|definitions)", "parameters": \{("\$ref|"at|"many|\})', text)


def test_a_model_that_is_free_gets_no_form():
    assert forced_call(asked("none", choice=pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_AUTO))) is None
    assert forced_call(asked("none", choice=pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_NONE))) is None
    assert forced_call(pb.RunRequest(tools=[pb.Tool(name="none")])) is None


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"properties": {"a": {"type": "str"}}}, "Invalid type: str"),
        ({"properties": {"a": False}, "required": ["a"]}, "required property 'a' is unsatisfiable"),
        ({"properties": {"a": {"type": "integer"}}, "required": True}, "Expected array for 'required'"),
        ({"properties": [], "required": [{}]}, "properties"),
        ({"$ref": "#/$defs/missing"}, "missing"),
        ({"$ref": "#/$defs/text", "$defs": {"text": {"type": "string"}}}, "incompatible types"),
    ],
)
def test_arguments_that_can_not_be_are_refused(model, schema, words):
    tool = pb.Tool(name="t", parameters_json=json.dumps(schema))
    asked_form = forced_call(pb.RunRequest(tools=[pb.Tool(name="other"), tool], tool_choice=pb.ToolChoice(name="t")))
    assert asked_form is not None
    for call_format in CallFormat:
        grammar = asked_form.grammar(call_format)
        assert grammar.field == "tools[1].parameters_json"
        # of an argument alone it is told that its schema is false
        told = ".*" if call_format is CallFormat.PYTHONIC else re.escape(words)
        with pytest.raises(GrammarError, match=told):
            model.compiler.compile(grammar).result()
