"""JSON Schemas drawn at random, and values that a model with no idea writes by them."""

import json
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from service.engine.grammars.thinking import Matcher
from service.schemas.json_schema import FORMATS

_MAX_TOKENS = 200
_LIKING = 0.2

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


_DEFINITIONS = SCALARS | SCALARS.map(lambda items: {"type": "array", "items": items, "maxItems": 2})

SCHEMAS = st.builds(_with_definition, st.recursive(SCALARS, _wider, max_leaves=5), _DEFINITIONS)


def write(matcher: Matcher, ends: frozenset[int], closing: frozenset[int], seed: int) -> list[int] | None:
    """The tokens that a model without any idea writes by a grammar; None if it comes to no end.

    Args:
        matcher: The grammar.
        ends: The tokens that end a completion.
        closing: Those that end a string, an array or an object, which it likes.
        seed: Another one makes it write something else.
    """
    draw = np.random.default_rng(seed)
    token_ids: list[int] = []
    while len(token_ids) < _MAX_TOKENS and not matcher.is_complete:
        bits = np.unpackbits(matcher.allowed(ends).numpy().view("uint8"), bitorder="little")
        allowed = bits.nonzero()[0]
        liked = [token_id for token_id in allowed if token_id in ends | closing]
        token_id = int(draw.choice(liked if liked and draw.random() < _LIKING else allowed))
        if token_id in ends:
            return token_ids
        token_ids.append(token_id)
        matcher.accept(token_id)
    return token_ids if matcher.is_complete else None


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
    known = FormatChecker(FORMATS & FormatChecker.checkers.keys())
    return bool(Draft202012Validator(exact(schema), format_checker=known).is_valid(exact(json.loads(text))))
