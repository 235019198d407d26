"""The fields of a JSON Schema, one row for each, as a Markdown table."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

Schema = dict[str, Any]

_CHOICES: Final = ("anyOf", "oneOf", "allOf")
_BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "over {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "minItems": "{} items or more",
    "maxItems": "{} items or fewer",
    "minProperties": "{} names or more",
    "maxProperties": "{} names or fewer",
    "pattern": "matches `{}`",
    "format": "{}",
    "default": "default `{}`",
}
_MOST_TYPES: Final = 12


@dataclass
class Field:
    """What the alternatives of a schema say of one field.

    Attributes:
        types: Its types, or the values that it may have.
        bounds: Its limits and its default.
        meanings: What it means.
        is_required: Whether it must be there, whichever alternative is chosen.
    """

    types: dict[str, None] = field(default_factory=dict)
    bounds: dict[str, None] = field(default_factory=dict)
    meanings: dict[str, None] = field(default_factory=dict)
    is_required: bool = False


def fields(schema: Schema) -> dict[str, Field]:
    """The fields of an object and of what is in it, such as `messages[].role`, in the order of the schema."""
    found: dict[str, Field] = {}
    objects: dict[str, list[Schema]] = {}
    _collect(schema, "", found, objects)
    for path, one in found.items():
        place, _, name = path.rpartition(".")
        one.is_required = all(name in alternative.get("required", ()) for alternative in objects[place])
    return found


def table(schema: Schema) -> str:
    """A table of the fields; "" if there are none."""
    rows = [_row(name, one) for name, one in fields(schema).items()]
    return "\n".join(["| field | type | limits | meaning |", "|---|---|---|---|", *rows]) if rows else ""


def alternatives(schema: Schema) -> Iterator[Schema]:
    """A schema without its choices, then each of these."""
    own = {key: value for key, value in schema.items() if key not in _CHOICES}
    if own:
        yield own
    for key in _CHOICES:
        for choice in schema.get(key, ()):
            yield from alternatives(choice)
    if "contentSchema" in schema:  # JSON in a string
        yield from alternatives(schema["contentSchema"])


def _collect(schema: Schema, place: str, found: dict[str, Field], objects: dict[str, list[Schema]]) -> None:
    """Adds fields by path, and the alternatives of each object by the place of that."""
    for option in alternatives(schema):
        if "properties" in option:
            objects.setdefault(place, []).append(option)
        for name, inner in option.get("properties", {}).items():
            if inner.get("type") == "null":  # there is no such field in this alternative
                continue
            path = f"{place}.{name}" if place else name
            _note(found.setdefault(path, Field()), inner)
            _collect(inner, path, found, objects)
        if isinstance(option.get("items"), dict):
            _collect(option["items"], f"{place}[]", found, objects)


def _note(one: Field, schema: Schema) -> None:
    for option in alternatives(schema):
        one.types |= dict.fromkeys(_types(option))
        one.bounds |= dict.fromkeys(text.format(_bound(option[key])) for key, text in _BOUNDS.items() if key in option)
        if "description" in option:
            one.meanings[option["description"]] = None


def _types(schema: Schema) -> Iterator[str]:
    if "const" in schema:
        yield f"`{json.dumps(schema['const'], ensure_ascii=False)}`"
    elif "enum" in schema:
        yield from (f"`{json.dumps(value, ensure_ascii=False)}`" for value in schema["enum"] if value is not None)
    elif "$ref" in schema:
        yield "a model's name"
    else:
        named = schema.get("type", ())
        yield from (name for name in ([named] if isinstance(named, str) else named) if name != "null")


def _bound(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _row(name: str, one: Field) -> str:
    mark = " (required)" if one.is_required else ""
    types = list(one.types)
    more = f" and {len(types) - _MOST_TYPES} more" if len(types) > _MOST_TYPES else ""
    cells = (f"`{name}`{mark}", ", ".join(types[:_MOST_TYPES]) + more, "; ".join(one.bounds), " ".join(one.meanings))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
