"""What of response_format is refused without asking the model, and what the engine is told."""

import json

import pytest
from runstream.v1 import text_generation_pb2 as pb

from service.engine_protocol.messages import GrammarKind, GrammarSpec
from service.errors import InvalidRequestError, UnsatisfiableFormatError
from service.requests.response_format import to_form


def grammar(**wanted) -> GrammarSpec:
    form = to_form(pb.RunRequest(response_format=pb.ResponseFormat(**wanted)))
    assert form is not None
    return form.grammar


def choice(*values: str) -> pb.Choice:
    return pb.Choice(values=values)


def nested(depth: int) -> str:
    return '{"items": ' * depth + "{}" + "}" * depth


def test_without_a_response_format_there_is_no_grammar():
    assert to_form(pb.RunRequest()) is None


@pytest.mark.parametrize(
    ("wanted", "spec"),
    [
        ({"json_object": pb.JsonObject()}, GrammarSpec(GrammarKind.JSON_SCHEMA, ('{"type":"object"}',))),
        ({"json_schema": '{"const": 4.0}'}, GrammarSpec(GrammarKind.JSON_SCHEMA, ('{"const":4}',))),
        ({"json_schema": "true"}, GrammarSpec(GrammarKind.JSON_SCHEMA, ("{}",))),
        ({"json_schema": nested(63)}, GrammarSpec(GrammarKind.JSON_SCHEMA, (nested(63).replace(" ", ""),))),
        ({"regex": r"a\\"}, GrammarSpec(GrammarKind.REGEX, (r"a\\",))),
        ({"choice": choice("yes", "")}, GrammarSpec(GrammarKind.CHOICE, ("yes", ""))),
    ],
)
def test_a_form_becomes_what_the_engine_compiles(wanted, spec):
    assert grammar(**wanted) == spec


@pytest.mark.parametrize(
    ("wanted", "field", "words"),
    [
        ({}, "response_format", "set json_object, json_schema, regex or choice"),
        ({"json_schema": ""}, "response_format.json_schema", "can't be read: Expecting value"),
        ({"json_schema": "{'type': 'object'}"}, "response_format.json_schema", "Expecting property name"),
        ({"json_schema": '{"minimum": NaN}'}, "response_format.json_schema", "NaN is not a finite number"),
        ({"json_schema": '{"minimum": 1e999}'}, "response_format.json_schema", "1e999 is not a finite number"),
        ({"json_schema": '{"const": 9007199254740993}'}, "response_format.json_schema", "beyond 2\\^53"),
        ({"json_schema": '{"name": "it", "schema": {}}'}, "response_format.json_schema", "send only the schema"),
        ({"json_schema": '"object"'}, "response_format.json_schema", "must be an object, true or false"),
        ({"regex": ""}, "response_format.regex", "empty"),
        ({"regex": "a\\"}, "response_format.regex", "escapes nothing"),
        ({"choice": choice()}, "response_format.choice.values", "at least 1 text"),
    ],
)
def test_what_is_no_form_is_refused_by_its_field(wanted, field, words):
    with pytest.raises(InvalidRequestError, match=words) as caught:
        grammar(**wanted)
    assert (caught.value.field, caught.value.reason) == (field, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"json_schema": "false"}, "which no value fits"),
        ({"json_schema": nested(64)}, "deeper than 64 levels"),
        ({"json_schema": nested(3_000)}, "deeper than 64 levels"),
        ({"json_schema": json.dumps({"description": "x" * 65_536})}, "65555 characters; .* 65536"),
        ({"regex": "a" * 4_097}, "4097 characters; .* 4096"),
        ({"choice": choice(*map(str, range(1_025)))}, "1025 texts; .* 1024"),
        ({"choice": choice("a" * 65_537)}, "65537 characters; .* 65536"),
    ],
)
def test_what_is_too_much_or_can_not_be_is_refused_as_unsatisfiable(wanted, words):
    with pytest.raises(UnsatisfiableFormatError, match=words) as caught:
        grammar(**wanted)
    assert caught.value.reason == "FORMAT_UNSATISFIABLE"
