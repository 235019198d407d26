"""Tells what is wrong with a body, in the grammar of Cloudflare's messages.

Captures of the real service show oneOf, type, required, minimum, maximum and the lengths; the other keywords are worded
like them.
"""

import json
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from jsonschema import ValidationError

MAX_VIOLATIONS: Final = 20
MAX_STEP_CHARACTERS: Final = 64

TYPE_NAMES: Final = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}

COMPARISONS: Final = {
    "minimum": ">=",
    "maximum": "<=",
    "minLength": ">=",
    "maxLength": "<=",
    "minItems": ">=",
    "maxItems": "<=",
    "maxProperties": "<=",
}


def describe(violation: ValidationError) -> str:
    """Says what is violated and where, with everything that a oneOf had against each of its branches."""
    path = "/" + "/".join(_shortened(str(step)) for step in violation.absolute_path)
    wanted: Any = violation.validator_value
    match violation.validator:
        case "oneOf" if not violation.context:
            return f"oneOf at '{path}' not met, several matches"
        case "oneOf":
            return f"oneOf at '{path}' not met, 0 matches: {describe_all(violation.context or ())}"
        case "type":
            types = wanted if isinstance(wanted, str) else ",".join(wanted)
            return f"Type mismatch of '{path}', '{_type_name(violation.instance)}' not in '{types}'"
        case "required":
            return f"required properties at '{path}' are '{','.join(wanted)}'"
        case "minimum" | "maximum":
            return f"'{path}' must be {COMPARISONS[violation.validator]} {wanted}"
        case "minLength" | "maxLength":
            return f"Length of '{path}' must be {COMPARISONS[violation.validator]} {wanted}"
        case "minItems" | "maxItems" | "maxProperties":
            return f"Number of entries of '{path}' must be {COMPARISONS[violation.validator]} {wanted}"
        case "pattern" if "propertyNames" in violation.absolute_schema_path:
            return f"names at '{path}' must match '{wanted}'"
        case "pattern":
            return f"'{path}' must match '{wanted}'"
        case _:
            return f"'{path}' must be one of {json.dumps(wanted)}"


def describe_all(violations: Iterable[ValidationError]) -> str:
    """Lists violations, each once, and only the first few: a body of megabytes can have very many."""
    first = list(islice(violations, MAX_VIOLATIONS + 1))
    texts = list(dict.fromkeys(describe(violation) for violation in first[:MAX_VIOLATIONS]))
    return ", ".join(texts + ["and more"] * (len(first) > MAX_VIOLATIONS))


def _shortened(step: str) -> str:
    """A step of a path; names in objects are the client's, of any length."""
    return step if len(step) <= MAX_STEP_CHARACTERS else f"{step[:MAX_STEP_CHARACTERS]}…"


def _type_name(instance: object) -> str:
    return TYPE_NAMES.get(type(instance), "null")
