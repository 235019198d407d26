"""JSON Schemas as clients send them, put into the words of draft 2020-12, and what is the same about all of them."""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from urllib.parse import unquote

Node: TypeAlias = dict[str, Any]

FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"})
"""Those that are kept to. All others are annotations, which JSON Schema lets everybody ignore."""

MAX_EXACT = 2**53

# What stands under these is data, even where it looks like a schema.
_DATA = frozenset({"const", "default", "dependentRequired", "enum", "example", "examples", "required", "type"})

# Their keys are names and no keywords.
_SCHEMAS_BY_NAME = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})

# Of an entry in a list, as RFC 6901 writes it; none has more digits.
_PLACE = re.compile(r"0|[1-9][0-9]{0,5}")

_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE = ("not", "if", "then", "else")


def normalized(schema: Any) -> Any:
    """A schema in the words of draft 2020-12, without formats that are annotations; numbers that are whole are ints.

    Raises:
        ValueError: It has a value that readers of JSON do not keep exactly.
    """
    return rebuilt(_with_whole_numbers(schema), _modern)


def rebuilt(schema: Any, change: Callable[[Node], Any]) -> Any:
    """A schema with all its schemas changed, inner ones first; under unknown keywords too: references reach there."""
    if isinstance(schema, list):
        return [rebuilt(item, change) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return change({key: _rebuilt_keyword(key, value, change) for key, value in schema.items()})


def _rebuilt_keyword(key: str, value: Any, change: Callable[[Node], Any]) -> Any:
    if key in _DATA:
        return value
    if key in _SCHEMAS_BY_NAME and isinstance(value, dict):
        return {name: rebuilt(item, change) for name, item in value.items()}
    return rebuilt(value, change)


def subschemas(schema: Node) -> Iterator[Any]:
    """What `rebuilt` changes directly below a schema."""
    for key, value in schema.items():
        if key in _SCHEMAS_BY_NAME and isinstance(value, dict):
            yield from value.values()
        elif key not in _DATA:
            yield from value if isinstance(value, list) else (value,)


def same_place(schema: Node) -> Iterator[Any]:
    """The schemas, but for references, that are applied to the value itself and not to what is in it."""
    for key in _IN_PLACE_LISTS:
        yield from schema[key] if isinstance(schema.get(key), list) else ()
    yield from (schema[key] for key in _IN_PLACE if key in schema)
    dependent = schema.get("dependentSchemas")
    yield from dependent.values() if isinstance(dependent, dict) else ()


def resolved(root: Any, reference: object) -> Any:
    """What a reference within a schema stands for; None if it is none, or leads nowhere."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    found = root
    for token in unquote(reference[2:]).split("/") if reference != "#" else ():
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and _PLACE.fullmatch(name) and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            return None
    return found


def types(schema: Node) -> tuple[str, ...]:
    """The types that a schema's `type` allows."""
    listed = schema.get("type", ("null", "boolean", "number", "string", "array", "object"))
    if isinstance(listed, str):
        return (listed,)
    return tuple(name for name in listed if isinstance(name, str)) if isinstance(listed, list | tuple) else ()


def is_number(value: object) -> bool:
    """Whether a value is a number of JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _with_whole_numbers(value: Any, is_data: bool = False) -> Any:
    match value:
        case dict():
            return {key: _with_whole_numbers(item, is_data or key in ("const", "enum")) for key, item in value.items()}
        case list():
            return [_with_whole_numbers(item, is_data) for item in value]
        case float() if value.is_integer() and abs(value) <= MAX_EXACT:
            return int(value)
        case int() if is_data and abs(value) > MAX_EXACT:
            raise ValueError(f"{value} is beyond 2^53, up to where integers are exact")
        case _:
            return value


def _modern(schema: Node) -> Node:
    """Changes what earlier drafts say in other words, and no longer says which draft it is."""
    schema.pop("$schema", None)
    if isinstance(schema.get("format"), str) and schema["format"] not in FORMATS:
        del schema["format"]
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema.pop("items")
        if "additionalItems" in schema:
            schema["items"] = schema.pop("additionalItems")
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool):
            is_exclusive = schema.pop(exclusive)
            if is_exclusive and bound in schema:
                schema[exclusive] = schema.pop(bound)
    dependencies = schema.get("dependencies")
    if isinstance(dependencies, dict) and not {"dependentRequired", "dependentSchemas"} & schema.keys():
        names = {name: needed for name, needed in dependencies.items() if isinstance(needed, list)}
        schemas = {name: needed for name, needed in dependencies.items() if name not in names}
        del schema["dependencies"]
        schema |= {"dependentRequired": names, "dependentSchemas": schemas}
    return schema
