"""Values, not schemas, drawn at random: the grammar allows what a validator of JSON Schema allows, and nothing else."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from service.engine.grammars.matcher import GrammarError
from service.requests.response_format import to_form
from tests.support.promise import Promise
from tests.support.random_schemas import BOUNDS, fits, merged, of_type, some
from tests.support.run_requests import with_schema

STEPS = st.sampled_from([1, 2, 3.0, 0.1, 0.25, 0.5, 0.01, 1.5, 100])
RANGES = merged(
    of_type("number", "integer", ["number", "null"]),
    some(minimum=BOUNDS, maximum=BOUNDS, exclusiveMinimum=BOUNDS, exclusiveMaximum=BOUNDS, multipleOf=STEPS),
)
HUNDREDTHS = st.integers(-2_500, 2_500).map(lambda number: number // 100 if number % 100 == 0 else number / 100)
INSIDE = st.one_of(
    RANGES,
    st.builds(
        lambda least, most: {"type": "string", "minLength": least, "maxLength": least + most}, *[st.integers(0, 3)] * 2
    ),
    st.sampled_from(
        [{"enum": ["a", 1, None]}, {"const": "é\n"}, {"type": "boolean"}, {"type": "string", "pattern": "^a"}]
    ),
)
SCALARS = HUNDREDTHS | st.integers(-25, 25) | st.sampled_from(["", "a", "abc", "é\n", "日本語の字", True, None, 0.2])
ARRAYS = st.builds(
    lambda items, least, most: {"type": "array", "items": items, "minItems": least, "maxItems": least + most},
    *(INSIDE, st.integers(0, 2), st.integers(0, 2)),
)
OBJECTS = st.builds(
    lambda properties, is_open: {
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "required": ["a"],
        "additionalProperties": is_open,
    },
    *(st.fixed_dictionaries({"a": INSIDE}, optional={"b": INSIDE}), st.booleans()),
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.fixed_dictionaries({}, optional={"a": SCALARS, "b": SCALARS})


@pytest.fixture(scope="module")
def promise() -> Iterator[Promise]:
    with closing(Promise()) as promise:
        yield promise


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(schema=INSIDE | ARRAYS | OBJECTS, values=st.lists(VALUES, min_size=1, max_size=8))
def test_the_grammar_allows_what_fits_and_nothing_else(promise: Promise, schema: Any, values: list[Any]) -> None:
    form = to_form(with_schema(schema))
    assert form is not None
    try:
        promise.compiler.compile(form.grammar).result()
    except GrammarError:
        assert not any(fits(schema, json.dumps(value)) for value in values)
        assume(False)
    for value in values:
        # Properties come in the order in which the schema names them.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        assert promise.allows(form, text) == fits(schema, text), text
        assert bool(promise.refusal(form, text)) == (not fits(schema, text)), text


LIMITS = st.builds(
    lambda kind, low, span, words: {"type": kind, words[0]: low, words[1]: low + span},
    st.sampled_from(["number", "integer"]),
    st.integers(-9, 9),
    st.integers(2, 9),
    st.sampled_from([("minimum", "maximum"), ("exclusiveMinimum", "maximum"), ("minimum", "exclusiveMaximum")]),
)


@settings(max_examples=settings().max_examples // 4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schema=LIMITS, values=st.lists(HUNDREDTHS, min_size=1))
def test_another_library_of_grammars_allows_the_same_numbers(
    promise: Promise, schema: Any, values: list[float]
) -> None:
    """xgrammar 0.2, where it is installed; it is none of our dependencies."""
    testing = pytest.importorskip("xgrammar.testing")
    grammar = testing.Grammar.from_json_schema(json.dumps(schema), any_whitespace=False)
    form = to_form(with_schema(schema))
    assert form is not None
    for value in map(json.dumps, values):
        theirs = testing._is_grammar_accept_string(grammar, value)
        assert theirs == promise.allows(form, value) == fits(schema, value), value
