"""What of a schema the grammar library is told: numbers, names, patterns; and which schemas come to no end."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequestError
from service.requests.response_format import to_form
from service.schemas.endless_schema import is_endless
from service.schemas.grammar_schema import compilable
from service.schemas.json_schema import normalized
from tests.support.random_schemas import SCHEMAS
from tests.support.run_requests import with_schema

KEYWORDS = st.sampled_from(
    [
        *("type", "enum", "const", "properties", "required", "additionalProperties", "patternProperties", "format"),
        *("propertyNames", "minProperties", "items", "additionalItems", "prefixItems", "minItems", "uniqueItems"),
        *("minimum", "exclusiveMinimum", "maximum", "multipleOf", "pattern", "minLength", "anyOf", "allOf", "oneOf"),
        *("$ref", "$defs", "$id", "dependencies", "dependentSchemas", "unevaluatedProperties", "not", "if", "then"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.sampled_from(["", "#", "#/$defs/a", "(", "(?=", "object", "number", "\\", "a"])
MALFORMED = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS | TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(schema=st.dictionaries(KEYWORDS, MALFORMED, max_size=5))
def test_whatever_a_schema_says_it_is_taken_or_refused(schema: Any) -> None:
    try:
        form = to_form(with_schema(schema))
    except InvalidRequestError:
        return
    assert form is not None
    assert isinstance(json.loads(form.grammar.texts[0]), dict)


@given(schema=SCHEMAS)
def test_the_schema_that_is_checked_stays_as_it_is(schema: Any) -> None:
    checked = normalized(schema)
    before = json.dumps(checked)
    compilable(checked)
    assert json.dumps(normalized(checked)) == json.dumps(checked) == before


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({"minLength": 1.0, "maxItems": 2.0}, {"minLength": 1, "maxItems": 2}),
        ({"const": {"a": [1.0]}, "default": 0.5}, {"const": {"a": [1]}, "default": 0.5}),
        ({"format": "lowercase"}, {}),
        ({"format": "date"}, {"format": "date"}),
        ({"properties": {"format": {"format": "jwt"}}}, {"properties": {"format": {}}}),
        ({"const": {"format": "jwt"}}, {"const": {"format": "jwt"}}),
        ({"items": [{}], "additionalItems": False}, {"prefixItems": [{}], "items": False}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"dependencies": {"a": ["b"]}}, {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {}}),
        ({"dependencies": {"a": {}}}, {"dependentRequired": {}, "dependentSchemas": {"a": {}}}),
    ],
)
def test_a_schema_is_put_into_the_words_of_the_newest_draft(given_: Any, told: Any) -> None:
    assert normalized(given_) == told


NUMBER = {"type": "number"}


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({"exclusiveMinimum": 0, "maximum": 0.5}, {"minimum": 1e-9, "maximum": 0.5}),
        ({"minimum": -1.5, "exclusiveMaximum": -1}, {"minimum": -1.5, "maximum": -1.000000001}),
        ({"exclusiveMinimum": 0, "maximum": 1e-12}, {"minimum": 1e-13, "maximum": 1e-12}),
        ({"exclusiveMinimum": 0.5}, {"exclusiveMinimum": 0.5}),
        ({"minimum": 0.15, "maximum": 0.25, "multipleOf": 0.1}, {"enum": [0.2]}),
        ({"exclusiveMinimum": 0.1, "exclusiveMaximum": 0.4, "multipleOf": 0.1}, {"enum": [0.2, 0.3]}),
        ({"minimum": 0.1, "maximum": 0.2, "multipleOf": 1}, {"enum": []}),
        ({"minimum": 0, "maximum": 255, "multipleOf": 1}, {"enum": list(range(256))}),
        ({"minimum": 0, "maximum": 256, "multipleOf": 1}, {"minimum": 0, "maximum": 256, "multipleOf": 1}),
        ({"multipleOf": 0.07}, {"multipleOf": 7}),
        ({"multipleOf": 0.01}, {"multipleOf": 0.01}),
        ({"multipleOf": 2**33, "minimum": 5}, {"minimum": 5}),
        ({"multipleOf": 10**399, "minimum": 5}, {"minimum": 5}),
        ({"exclusiveMinimum": 0, "exclusiveMaximum": 1e-16}, {"exclusiveMaximum": 1e-16}),
        ({"minimum": -3.4e38, "maximum": 3.4e38}, {}),
        ({"minimum": 2, "maximum": 1, "multipleOf": 3}, {"minimum": 2, "maximum": 1}),
    ],
)
def test_numbers_are_told_in_words_in_which_the_library_has_no_faults(given_: Any, told: Any) -> None:
    assert compilable({**NUMBER, **given_}) == {**NUMBER, **told}


@pytest.mark.parametrize("bounds", [{"maximum": 0.25}, {"minimum": -0.25}])
def test_fewer_digits_than_a_bound_has_are_enough(bounds: Any) -> None:
    (key, bound), *_ = bounds.items()
    options = [{**NUMBER, key: bound}, {**NUMBER, key: bound * 0.8}]
    assert compilable({**NUMBER, **bounds}) == {"allOf": [{"anyOf": options}]}


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({"exclusiveMinimum": 0, "exclusiveMaximum": 2.5}, {"minimum": 1, "maximum": 2}),
        ({"minimum": 0.5, "maximum": 0.6}, {"minimum": 0.5, "maximum": 0.6}),  # none, as the library says itself
        ({"minimum": 1 - 2**53, "maximum": 2**53 - 1}, {"minimum": 1 - 2**53, "maximum": 2**53 - 1}),
        ({"exclusiveMinimum": 2**53, "maximum": 2**64}, {"minimum": 2**53}),
        ({"minimum": -(10**399), "maximum": -(2**64)}, {"maximum": -(2**53)}),
    ],
)
def test_an_integers_bounds_are_whole_and_belong_to_it(given_: Any, told: Any) -> None:
    assert compilable({"type": "integer", **given_}) == {"type": "integer", **told}


def test_an_integers_step_is_whole() -> None:
    assert compilable({"type": "integer", "multipleOf": 2.5}) == {"type": "integer", "multipleOf": 5}


def test_bounds_say_nothing_of_what_is_no_number() -> None:
    other = {"type": ["null", "boolean", "string", "array", "object"]}
    assert compilable({"minimum": 3}) == {"allOf": [{"anyOf": [{**NUMBER, "minimum": 3}, other]}]}
    assert compilable({"type": "string", "minimum": 3}) == {"type": ["string"]}


CLOSED = {"additionalProperties": False}


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({"propertyNames": {"enum": ["a", "b"]}}, {"properties": {"a": True, "b": True}, **CLOSED}),
        ({"propertyNames": {"const": "a"}, "additionalProperties": NUMBER}, {"properties": {"a": NUMBER}, **CLOSED}),
        (
            {"propertyNames": {"enum": ["a"]}, "properties": {"a": NUMBER, "c": {}}},
            {"properties": {"a": NUMBER}, **CLOSED},
        ),
        (
            {"propertyNames": {"type": "string", "pattern": "^x"}, "additionalProperties": NUMBER},
            {"patternProperties": {"^x": NUMBER}, **CLOSED},
        ),
        ({"propertyNames": {"minLength": 2}}, {"patternProperties": {r"^[\s\S]{2,}$": True}, **CLOSED}),
        ({"propertyNames": {"type": "string"}}, {}),
        ({"propertyNames": {"pattern": "^x"}, "required": ["y"]}, {"required": ["y"]}),
        ({"propertyNames": {"enum": ["a"]}, "anyOf": [{}]}, {"anyOf": [{}]}),
        ({"properties": {"a": {}}, "unevaluatedProperties": False}, {"properties": {"a": {}}, **CLOSED}),
        ({"unevaluatedProperties": False, "anyOf": [{}]}, {"anyOf": [{}]}),
        ({"properties": {"a": {}}, "maxProperties": 3}, {"properties": {"a": {}}}),
        ({"properties": {"a": {}}, "required": ["a"], "maxProperties": 3},) * 2,
        ({"properties": {"a": {}}, **CLOSED, "minProperties": 1},) * 2,
        ({"not": {"type": "null"}, "uniqueItems": True, "contains": {}, "if": {}}, {}),
        ({"properties": {"a": {"not": {}}}}, {"properties": {"a": {"allOf": [False]}}}),
    ],
)
def test_properties_are_told_by_keywords_that_the_library_knows(given_: Any, told: Any) -> None:
    assert compilable(given_) == told


def test_names_may_be_told_by_reference() -> None:
    definitions = {"$defs": {"Color": {"enum": ["red"], "type": "string"}}}
    told = compilable({**definitions, "propertyNames": {"$ref": "#/$defs/Color"}})
    assert told == {**definitions, "properties": {"red": True}, **CLOSED}


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("^(?=.{2,4}$)[a-z]+$", "^[a-z]+$"),
        (r"^P(?!$)(\d+D)?(T(?=\d)(\d+H)?)?$", r"^P(\d+D)?(T(\d+H)?)?$"),
        ("a(?<!(b)[)]c)d", "ad"),
        (r"\bno\b", "no"),
        (r"[\b(?=]\\b", r"[\b(?=]\\b"),
        (r"[!-/:-@[-`{-~]", r"[!-/:-@\[-`{-\~]"),
        (r"[^[\]&&+--~~]", r"[^\[\]\&\&+-\-\~\~]"),
        (r"[--/\u0041-\u0043-]", r"[\--/\u0041-\u0043\-]"),
        (r"(a)\1", None),
        ("(?=a)*b", None),
    ],
)
def test_a_pattern_is_told_without_look_around(pattern: str, told: str | None) -> None:
    assert compilable({"pattern": pattern}).get("pattern") == told


def test_patterns_of_names_are_told_with_classes_that_mean_the_same() -> None:
    told = compilable({"patternProperties": {"^[[a]$": NUMBER}, **CLOSED})
    assert told == {"patternProperties": {r"^[\[a]$": NUMBER}, **CLOSED}
    assert compilable({"propertyNames": {"pattern": "^[[a]$"}})["patternProperties"] == {r"^[\[a]$": True}


TREE = {"type": "object", "properties": {"next": {"$ref": "#"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        {"properties": {"a": {"not": {"$ref": "#/properties/a"}}}},
        {**TREE, "required": ["next"]},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
        {"allOf": [{"type": "object", "required": ["a"], "additionalProperties": {"$ref": "#"}}], "type": "object"},
        {"type": "array", "prefixItems": [{"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}], "minItems": 1},
    ],
)
def test_a_schema_without_an_end_is_refused(schema: Any) -> None:
    assert is_endless(schema)
    with pytest.raises(InvalidRequestError, match=r"\$ref lead in circles"):
        to_form(with_schema(schema))


@pytest.mark.parametrize(
    "schema",
    [
        TREE,
        {"type": "array", "items": {"$ref": "#"}},
        {"properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"], "type": "object"},
        {"type": ["object", "null"], "properties": {"next": {"$ref": "#"}}, "required": ["next"]},
        {"type": "null", "$defs": {"unused": {"$ref": "#/$defs/unused"}}},
        {"$ref": "#/nowhere"},
        {"const": {"$ref": "#"}},
        {"type": []},
        {"anyOf": []},
    ],
)
def test_a_schema_that_comes_to_an_end_is_none_of_these(schema: Any) -> None:
    assert not is_endless(schema)
