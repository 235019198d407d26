"""JSON Schemas drawn at random, and values that a model with no idea writes by them."""

import json
import random
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from service.engine.grammar import GrammarMatcher
from service.json_schema import FORMATS

_MAX_TOKENS = 200

BOUNDS = st.integers(-20, 20) | st.decimals(-3, 3, places=2).map(float) | st.sampled_from([0, 0.0, 1.0, 1e-3, 2**53])
STEPS = st.sampled_from([1, 2, 3.0, 0.1, 0.25, 0.5, 0.01, 0.07, 1.5, 2.5, 100])
COUNTS = st.integers(0, 3) | st.sampled_from([1.0, 2.0])
NAMES = st.sampled_from(["a", "b", "id", "naïve", 'q"t', "x-y"])
PATTERNS = st.sampled_from(
    ["^[a-c]{1,3}$", "x|yz$", r"^\d{2,3}$", "^(?=.{2,4}$)[a-z]+$", r"^P(?!$)(\d+D)?(T(?=\d)(\d+H)?)?$", r"\bno\b", ""]
)
UNKNOWN = st.sampled_from(["lowercase", "base64", "jwt", "cuid2", "e164", "emoji", "starts_with"])
CONSTANTS = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([1.0, 0.2, -2.5e-7, "a", "é\n", "", [], {}])
)


def some(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of the keywords."""
    return st.fixed_dictionaries({}, optional=keywords)


def merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda drawn: {key: value for part in drawn for key, value in part.items()})


def of_type(*names: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from([{"type": name} for name in names])


NUMBERS = merged(
    of_type("number", "integer", "number", ["number", "null"]),
    some(minimum=BOUNDS, maximum=BOUNDS, exclusiveMinimum=BOUNDS, exclusiveMaximum=BOUNDS, multipleOf=STEPS),
)
STRINGS = merged(
    of_type("string", ["string", "null"]),
    some(minLength=COUNTS, maxLength=st.integers(3, 12), title=st.just("a title"))
    | some(pattern=PATTERNS)
    | some(format=st.sampled_from(sorted(FORMATS)) | UNKNOWN),
)
SCALARS = (
    NUMBERS
    | STRINGS
    | of_type("boolean", "null")
    | st.lists(CONSTANTS, min_size=1, max_size=3).map(lambda values: {"enum": values})
    | CONSTANTS.map(lambda value: {"const": value})
)


def _wider(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    arrays = merged(
        of_type("array"),
        some(
            items=inner,
            prefixItems=st.lists(inner, min_size=1, max_size=2),
            minItems=COUNTS,
            maxItems=st.integers(1, 4),
            uniqueItems=st.booleans(),
            contains=inner,
        ),
    )
    names = some(pattern=PATTERNS) | some(enum=st.lists(NAMES, max_size=3)) | some(minLength=COUNTS)
    objects = merged(
        of_type("object"),
        some(
            properties=st.dictionaries(NAMES, inner, max_size=3),
            required=st.lists(NAMES, max_size=2, unique=True),
            additionalProperties=st.booleans() | inner,
            maxProperties=st.integers(1, 3),
            propertyNames=names,
        )
        | some(patternProperties=st.dictionaries(PATTERNS, inner, min_size=1, max_size=1), minProperties=COUNTS)
        | some(
            properties=st.dictionaries(NAMES, inner, max_size=3),
            unevaluatedProperties=st.just(False),
            dependentRequired=st.dictionaries(NAMES, st.lists(NAMES, max_size=1), max_size=1),
        ),
    )
    several = st.sampled_from(["anyOf", "oneOf", "allOf"]).flatmap(
        lambda key: st.lists(inner, min_size=1, max_size=2).map(lambda options: {key: options})
    )
    conditions = st.fixed_dictionaries({"if": inner, "then": inner}) | inner.map(lambda schema: {"not": schema})
    return arrays | objects | several | merged(inner, conditions) | st.just({"$ref": "#/$defs/it"})


def _with_definition(schema: Any, definition: Any) -> Any:
    return {**schema, "$defs": {"it": definition}}


SCHEMAS = st.builds(
    _with_definition, st.recursive(SCALARS, _wider, max_leaves=5), st.recursive(SCALARS, _wider, max_leaves=2)
)


def write(matcher: GrammarMatcher, eos_token_ids: Iterable[int], text_of: Any, seed: int) -> str | None:
    """What a model of random logits writes by a grammar; None if it comes to no end."""
    draw = random.Random(seed)
    token_ids: list[int] = []
    while len(token_ids) < _MAX_TOKENS and not matcher.is_complete:
        bits = matcher.allowed(eos_token_ids).numpy().view("uint32")
        words = bits.nonzero()[0]
        word = int(draw.choice(words))
        may_end = [token_id for token_id in eos_token_ids if int(bits[token_id // 32]) >> token_id % 32 & 1]
        if may_end and draw.random() < 0.3:
            return str(text_of(token_ids))
        choices = [bit for bit in range(32) if int(bits[word]) >> bit & 1]
        token_id = 32 * word + draw.choice(choices)
        if token_id in eos_token_ids:
            return str(text_of(token_ids))
        token_ids.append(token_id)
        matcher.accept(token_id)
    return str(text_of(token_ids)) if matcher.is_complete else None


def exact(value: Any) -> Any:
    """A value in which `jsonschema` divides without rounding: to it, 0.3 is no multiple of 0.1."""
    match value:
        case float():
            return int(value) if value.is_integer() else Fraction(str(value))
        case list():
            return [exact(item) for item in value]
        case dict():
            return {key: exact(item) for key, item in value.items()}
        case _:
            return value


def fits(schema: Any, text: str) -> bool:
    """What the reference validator says of a value; formats that are annotations are none to it."""
    checker = Draft202012Validator.FORMAT_CHECKER
    known = type(checker)([name for name in FORMATS if name in checker.checkers])
    known.checkers = {name: checker.checkers[name] for name in FORMATS if name in checker.checkers}
    return bool(Draft202012Validator(exact(schema), format_checker=known).is_valid(exact(json.loads(text))))
