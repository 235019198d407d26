"""Whatever schema is asked for: what is written by it fits, or it is refused, and for a reason."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.grammars.matcher import GrammarError
from service.errors import InvalidRequestError
from service.requests.response_format import to_form
from tests.support.promise import Promise
from tests.support.random_schemas import SCHEMAS, fits
from tests.support.run_requests import with_schema

# What may fail only at the end, see docs/response-format.md.
CHECKED_AT_THE_END = re.compile(
    r'"(uniqueItems|contains|not|if|propertyNames|dependentRequired|unevaluatedProperties|oneOf|format|maxProperties)"'
    r"|minProperties|\(\?|\\b"
)


@pytest.fixture(scope="module")
def promise() -> Iterator[Promise]:
    with closing(Promise()) as promise:
        yield promise


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(schema=SCHEMAS, seed=st.integers(0, 2**32))
def test_a_finished_value_fits_or_the_schema_is_refused(promise: Promise, schema: Any, seed: int) -> None:
    try:
        form = to_form(with_schema(schema))
        assert form is not None
        asyncio.run(promise.values.prepare(form))
        text = promise.write(form, seed)
    except (InvalidRequestError, GrammarError):
        return  # refused before anything is generated
    if text is None:
        return  # cut
    refusal = promise.refusal(form, text)
    may_fail = CHECKED_AT_THE_END.search(json.dumps(schema)) or "not a finite number" in refusal
    assert fits(schema, text) if not refusal else may_fail, refusal


NUMBER = {"type": "number"}


@pytest.mark.parametrize(
    "schema",
    [
        {**NUMBER, "exclusiveMinimum": 0, "maximum": 0.5},
        {**NUMBER, "minimum": -0.5, "exclusiveMaximum": 0},
        {**NUMBER, "maximum": 0.25},
        {**NUMBER, "minimum": 0.15, "maximum": 0.25, "multipleOf": 0.1},
        {**NUMBER, "multipleOf": 0.07},
        {"type": "integer", "exclusiveMinimum": 0.5, "maximum": 3.7},
    ],
)
def test_numbers_keep_to_their_bounds_without_being_refused_at_the_end(promise: Promise, schema: Any) -> None:
    form = to_form(with_schema(schema))
    assert form is not None
    written = [text for seed in range(24) if (text := promise.write(form, seed)) is not None]
    assert len(written) > 12
    for text in written:
        assert not promise.refusal(form, text)
        assert fits(schema, text)


def test_a_number_may_have_fewer_digits_than_its_bound(promise: Promise) -> None:
    form = to_form(with_schema({**NUMBER, "minimum": 0.1, "maximum": 0.25}))
    assert form is not None
    assert "0.2" in {promise.write(form, seed) for seed in range(60)}


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("^[!-/:-@[-`{-~]$", "![{", "aA0"),
        ("^[[a]$", "[a", "b"),
        ("^[a-z&&[b]$", "a&[z", "B"),
        ("^[+--~~]$", "+,-~", "a"),
    ],
)
def test_classes_of_characters_are_those_of_javascript(
    promise: Promise, pattern: str, fitting: str, others: str
) -> None:
    form = to_form(with_schema({"type": "string", "pattern": pattern}))
    assert form is not None
    for character in fitting:
        assert promise.allows(form, json.dumps(character))
        assert not promise.refusal(form, json.dumps(character))
    assert not any(promise.allows(form, json.dumps(character)) for character in others)
