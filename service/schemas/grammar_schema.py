"""What of a JSON Schema llguidance is told: all that it can keep to while tokens are chosen.

The rest is left out here, or said more loosely, and is checked on the finished value. See docs/response-format.md.
"""

import re
from typing import Any

from service.schemas.form import as_json
from service.schemas.json_schema import Node, rebuilt, resolved
from service.schemas.number_schema import told_soundly

_LATER = (
    *("not", "if", "then", "else", "contains", "minContains", "maxContains", "uniqueItems", "propertyNames"),
    *("dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef"),
    *("$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"),
)
"""What llguidance does not know."""

# A reference with an unknown keyword beside it is copied, not followed, and refused where it leads in circles.
_WITHOUT_EFFECT = ("discriminator", "deprecated", "nullable", "example", "xml", "externalDocs")

_APPLICATORS = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "$dynamicRef"})

# Also a class without an end, or each bracket in it would be tried for a beginning.
_PIECE = re.compile(r"\\.|\[(?:\\.|[^\]\\])*+(?:\]|\\?\Z)|\(\?<?[=!]|[()]|.", re.DOTALL)
_CLASS = re.compile(r"\[(?:\\.|[^\]\\])*+\]", re.DOTALL)
# A character of a class, or a range of them.
_IN_CLASS = re.compile(r"(\\.|.)(?:(-)(\\.|.))?", re.DOTALL)
_OPERATORS = frozenset("[&~-")
"""What begins a class within a class, or puts two together, in Rust's syntax. In JavaScript's it is a character."""

_LOOK_AROUND = frozenset({"(?=", "(?!", "(?<=", "(?<!"})
_QUANTIFIERS = "*+?{"

_MAX_REFERENCES = 8

_MAX_COPIED = 4096
"""How many characters copies of the schema of all properties may have. Where they lie in each other, they multiply."""


def compilable(root: Any) -> Any:
    """The part of a normalized schema that llguidance keeps: all that fits the schema fits this, or next to all."""

    def change(schema: Node) -> Any:
        if schema.get("not") in ({}, True):
            return {"allOf": [False]}  # what zod writes for a property that must not be there
        schema = _with_named_properties(root, schema)
        for unevaluated, others in (("unevaluatedProperties", "additionalProperties"), ("unevaluatedItems", "items")):
            if unevaluated in schema and others not in schema and _APPLICATORS.isdisjoint(schema):
                schema[others] = schema[unevaluated]
        _loosen_pattern(schema)
        _loosen_number_of_properties(schema)
        kept = {key: value for key, value in schema.items() if key not in _LATER and not _is_without_effect(key, value)}
        return told_soundly(kept)

    return rebuilt(root, change)


def _is_without_effect(key: str, value: object) -> bool:
    return key in _WITHOUT_EFFECT or (key.startswith("x-") and not isinstance(value, dict | list))


def _with_named_properties(root: Any, schema: Node) -> Node:
    """Says the names that `propertyNames` allows by other keywords, where that means the same."""
    names = schema.get("propertyNames")
    for _ in range(_MAX_REFERENCES):
        if not (isinstance(names, dict) and names.keys() <= {"$ref", "title", "description"} and "$ref" in names):
            break
        names = resolved(root, names["$ref"])
    others, known = schema.get("additionalProperties", True), schema.get("properties", {})
    is_clear = "patternProperties" not in schema and _APPLICATORS.isdisjoint(schema)
    if not isinstance(names, dict) or not isinstance(known, dict) or not is_clear:
        return schema
    listed = [names["const"]] if "const" in names else names.get("enum")
    if isinstance(listed, list) and names.keys() <= {"const", "enum", "type", "title", "description"}:
        named = {name: known.get(name, others) for name in listed if isinstance(name, str)}
        if len(named.keys() - known) * len(as_json(others)) <= _MAX_COPIED:
            return {**schema, "properties": named, "additionalProperties": False}
        names = {"pattern": f"^({'|'.join(map(re.escape, named))})$"}
    pattern = _pattern_of_names(names)
    if pattern is None or known or schema.get("required"):
        return schema
    return {**schema, "patternProperties": {pattern: others}, "additionalProperties": False}


def _pattern_of_names(names: Node) -> str | None:
    """The regular expression that says what a schema of texts says; None if none does."""
    asked = names.keys() - {"type", "title", "description"}
    if asked == {"pattern"} and isinstance(names["pattern"], str):
        return _without_look_around(_with_plain_classes(names["pattern"]))
    if asked and asked <= {"minLength", "maxLength"}:
        return rf"^[\s\S]{{{names.get('minLength', 0)},{names.get('maxLength', '')}}}$"
    return None


def _loosen_pattern(schema: Node) -> None:
    if isinstance(schema.get("pattern"), str):
        pattern = _without_look_around(_with_plain_classes(schema.pop("pattern")))
        if pattern is not None:
            schema["pattern"] = pattern
    patterns = schema.get("patternProperties")
    if not isinstance(patterns, dict):
        return
    patterns = {_with_plain_classes(pattern): others for pattern, others in patterns.items()}
    schema["patternProperties"] = patterns
    if any(_without_look_around(pattern) != pattern for pattern in patterns):
        # Of a name it is not known then whether a pattern's schema or that of all others counts.
        schema.pop("patternProperties")
        schema.pop("additionalProperties", None)


def _with_plain_classes(pattern: str) -> str:
    """A regular expression of JavaScript's whose classes mean the same in Rust's syntax, which llguidance reads."""
    return "".join(_plain_class(piece) if _CLASS.fullmatch(piece) else piece for piece in _PIECE.findall(pattern))


def _plain_class(piece: str) -> str:
    begin = "[^" if piece.startswith("[^") else "["
    ranges = _IN_CLASS.findall(piece[len(begin) : -1])
    return begin + "".join(_plain(first) + dash + _plain(last) for first, dash, last in ranges) + "]"


def _plain(character: str) -> str:
    return "\\" + character if character in _OPERATORS else character


def _without_look_around(pattern: str) -> str | None:
    """A regular expression without the conditions that llguidance does not know: it matches as much, or more.

    None if it has references to what was matched before, or repeats a condition.
    """
    kept: list[str] = []
    pieces = _PIECE.findall(pattern)
    place = 0
    while place < len(pieces):
        piece = pieces[place]
        if re.fullmatch(r"\\[1-9k]", piece):
            return None
        if piece in _LOOK_AROUND or piece in (r"\b", r"\B"):
            place = _behind(pieces, place) if piece in _LOOK_AROUND else place + 1
            if place < len(pieces) and pieces[place] in _QUANTIFIERS:
                return None
        else:
            kept.append(piece)
            place += 1
    return "".join(kept)


def _behind(pieces: list[str], place: int) -> int:
    """The place behind a group that begins at one."""
    depth = 0
    while place < len(pieces):
        depth += {"(": 1, ")": -1}.get(pieces[place], pieces[place] in _LOOK_AROUND)
        place += 1
        if not depth:
            break
    return place


def _loosen_number_of_properties(schema: Node) -> None:
    """Leaves bounds out that llguidance can't keep, since properties may be there or not."""
    properties, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        return
    if all(name in required for name in properties) or _is_about_one(schema, len(required)):
        return
    schema.pop("minProperties", None)
    schema.pop("maxProperties", None)


def _is_about_one(schema: Node, num_required: int) -> bool:
    """Whether bounds are about the one property more or less that llguidance knows how to count."""
    is_closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    least, most = (schema.get(key) for key in ("minProperties", "maxProperties"))
    is_counted = all(bound is None or isinstance(bound, int) for bound in (least, most))
    return is_closed and is_counted and (least or 0) - num_required <= 1 and (most is None or most - num_required == 1)
