"""Arguments in Python's syntax, as rules of a grammar: `a=1, b="x"`.

JSON's texts, numbers, lists and objects of them are Python's too. Only true, false and null are not. As arguments and
in lists of them they are told by rules of their own; further inside they remain as JSON has them. Arguments whose
schema does not simply list them are a dictionary: `**{"a": 1}`.
"""

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from service.schemas.form import as_json
from service.schemas.json_schema import Node, types

Line: TypeAlias = Callable[[Node], str]
Rule: TypeAlias = Callable[[int, str], str]

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_KINDS = frozenset({"boolean", "null", "string", "integer", "number", "array", "object"})
_WITHOUT_EFFECT = frozenset({"title", "description", "default", "examples", "$comment"})
_LISTING = _WITHOUT_EFFECT | {"type", "properties", "required", "additionalProperties", "$defs", "definitions"}
_LITERALS = {True: "True", False: "False", None: "None"}
_MAX_OPTIONS = 8
_MAX_COPIED = 1 << 18
"""How many characters copies of the schema may have, one for each argument."""


def python_arguments(schema: Any, place: str, line: Line, rule: Rule) -> str:
    """What stands between the parentheses of a call.

    Args:
        schema: The schema of the arguments, an object.
        place: Where that schema is found, as a reference.
        line: Refers to JSON of a schema, in one line.
        rule: Makes a rule of the grammar, by its number, and refers to it.
    """
    if not _is_list(schema):
        return f'"**" {line({"$ref": place})}'
    properties, required = schema.get("properties", {}), schema.get("required", [])
    rest = first = '""'
    # From the last to the first: what may follow an argument, and what may stand where none is written yet.
    for number, (name, described) in reversed(list(enumerate(properties.items()))):
        value = f"{json.dumps(f'{name}=')} {_value(described, f'{place}/properties/{name}', line)}"
        skips = name not in required
        first = rule(2 * number, f"{value} {rest}" + (f" | {first}" if skips else ""))
        rest = rule(2 * number + 1, f'", " {value} {rest}' + (f" | {rest}" if skips else ""))
    return first


def _is_list(schema: Any) -> bool:
    """Whether a schema lists all arguments by names that Python has, and is small enough to be told by pieces."""
    if not isinstance(schema, dict) or not schema.keys() <= _LISTING or schema.get("additionalProperties") is not False:
        return False
    properties, required = schema.get("properties", {}), schema.get("required", [])
    has_names = isinstance(properties, dict) and all(map(_NAME.fullmatch, properties))
    return has_names and isinstance(required, list) and len(properties) * len(as_json(schema)) <= _MAX_COPIED


def _value(schema: Any, place: str, line: Line) -> str:
    """A value of one schema, which may be a list, or one of some others."""
    told = _told(schema)
    if told == {"anyOf"} and isinstance(schema["anyOf"], list) and 0 < len(schema["anyOf"]) <= _MAX_OPTIONS:
        options = enumerate(schema["anyOf"])
        values = [_plain(option, line) or line({"$ref": f"{place}/anyOf/{index}"}) for index, option in options]
        return f"({' | '.join(values)})"
    if told == {"type", "items"} and types(schema) == ("array",):
        value = _plain(schema["items"], line)
        if value:
            return f'("[" "]" | "[" {value} (", " {value})* "]")'
    return _plain(schema, line) or line({"$ref": place})


def _plain(schema: Any, line: Line) -> str:
    """A value, if its schema says in plain words where it may be true, false or null; empty if not."""
    told = _told(schema)
    if told in ({"const"}, {"enum"}):
        return _one_of([schema["const"]] if "const" in told else schema["enum"])
    kinds = types(schema) if "type" in told else ()
    literals = [text for kind, text in (("boolean", '"True" | "False"'), ("null", '"None"')) if kind in kinds]
    others = [kind for kind in kinds if kind not in ("boolean", "null")]
    if not literals or not set(kinds) <= _KINDS or (others and "$ref" in as_json(schema)):
        return ""
    return f"({' | '.join([*literals, *([line({**schema, 'type': others})] if others else [])])})"


def _told(schema: Any) -> set[str]:
    """The keywords that say something of a value."""
    return set(schema.keys() - _WITHOUT_EFFECT) if isinstance(schema, dict) else set()


def _one_of(listed: Any) -> str:
    """One of some values; empty if none of them is true, false or null, or some are no plain ones."""
    if not isinstance(listed, list) or any(isinstance(value, list | dict) for value in listed):
        return ""
    if not any(value is None or isinstance(value, bool) for value in listed):
        return ""
    texts = [
        _LITERALS[value] if value is None or isinstance(value, bool) else json.dumps(value, ensure_ascii=False)
        for value in listed
    ]
    return f"({' | '.join(map(json.dumps, texts))})"
