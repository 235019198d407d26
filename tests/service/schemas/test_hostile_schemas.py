"""Schemas that are made to cost much, or to break what reads them: they are taken at about their length, or refused."""

import contextlib
import json
from typing import Any, Final

import pytest

from service.errors import InvalidRequestError
from service.requests.forced_calls import forced_call
from service.requests.response_format import to_form
from service.schemas.grammar_schema import compilable
from tests.support.run_requests import with_schema

HUGE: Final = 10**400


def named(inner: Any, num_names: int) -> Any:
    """An object with some names, each of which has the same schema."""
    return {"propertyNames": {"enum": [f"n{n}" for n in range(num_names)]}, "additionalProperties": inner}


def nested(num_levels: int, num_names: int) -> Any:
    schema: Any = {"type": "integer"}
    for _ in range(num_levels):
        schema = named(schema, num_names)
    return schema


HOSTILE: Final = {
    "names within names": nested(30, 9),
    "many names of a long schema": named({"enum": ["x" * 20] * 1000}, 3000),
    "a place beyond all digits": {"anyOf": [True], "items": {"$ref": "#/anyOf/" + "1" * 5000}},
    "a huge step": {"multipleOf": HUGE},
    "a huge step between bounds": {"type": "integer", "multipleOf": HUGE, "minimum": -HUGE, "maximum": 2 * HUGE},
    "huge bounds": {"multipleOf": 0.5, "minimum": HUGE, "exclusiveMaximum": HUGE + 100},
    "the largest float": {"multipleOf": 1.7976931348623157e308, "minimum": -1e308, "maximum": 1e308},
    "the smallest float": {"multipleOf": 5e-324, "minimum": 0, "maximum": 1e300},
    "huge lengths": {"propertyNames": {"minLength": HUGE}, "minItems": HUGE, "items": {"$ref": "#"}},
    "no step": {"multipleOf": 0, "minimum": -0.0},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_taken_at_about_its_own_length_or_refused(name: str) -> None:
    request = with_schema(HOSTILE[name])
    try:
        form = to_form(request)
    except InvalidRequestError:
        return
    assert form is not None
    assert len(form.grammar.texts[0]) < 2 * len(request.response_format.json_schema) + 8192


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_of_a_tool_is_taken_or_refused(name: str) -> None:
    request = with_schema({})
    request.tools.add(name="t", parameters_json=json.dumps({"$defs": {}, "properties": {"p": HOSTILE[name]}}))
    request.tool_choice.name = "t"
    with contextlib.suppress(InvalidRequestError):
        assert forced_call(request) is not None


@pytest.mark.parametrize("end", ["", "\\", "\\]", "a)"])
@pytest.mark.parametrize("piece", ["[", "[^", "(", "(?=", "(?<!", "\\", "[\\["])
def test_a_pattern_is_read_once_from_its_beginning_to_its_end(piece: str, end: str) -> None:
    """The time limit of tests ends what tries each bracket for a beginning."""
    assert isinstance(compilable({"pattern": piece * 400_000 + end}), dict)


def test_names_whose_schema_is_long_are_told_by_a_pattern() -> None:
    inner = {"enum": ["x" * 20] * 100}
    told = compilable(named(inner, 9))
    assert told["patternProperties"] == {"^(n0|n1|n2|n3|n4|n5|n6|n7|n8)$": inner}
    assert told["additionalProperties"] is False
