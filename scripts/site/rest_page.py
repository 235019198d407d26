"""The page of every REST endpoint and field, made from the bridge's OpenAPI document."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from bridge.openapi.document import document
from scripts.site.fields import Schema, table

_INTRODUCTION: Final = """# REST: every endpoint and field

This page is made from the OpenAPI document of the bridge, which checks requests with the same schemas. Your own bridge
has the document at `/openapi.json`, and shows it at `/docs`. What differs from Cloudflare and OpenAI is told under
[compatibility](../compatibility.md).

A field that this page does not name is accepted and changes nothing. `null` stands for a field that is not there. A
name such as `messages[].role` is the field `role` of each item of `messages`."""


def markdown() -> str:
    """The page."""
    sections: dict[str, list[str]] = {}
    tables: dict[str, str] = {}
    for operation, places in _operations().items():
        sections.setdefault(operation.tag, []).extend(_Section(operation, places, tables).parts())
    parts = [_INTRODUCTION]
    for tag, operations in sections.items():
        parts += [f"## {tag}", *operations]
    return "\n\n".join(parts) + "\n"


class _Operation:
    """An operation, which may be at several paths; it is equal to another that does the same."""

    def __init__(self, described: Schema) -> None:
        self.described = described
        self.tag = str(described["tags"][0])

    def _key(self) -> tuple[str, str]:
        return self.tag, self.described["summary"]

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Operation) and self._key() == other._key()


class _Section:
    """What the page says of one operation.

    Args:
        operation: The operation.
        places: Its methods and paths.
        tables: The tables of the page so far, with the heading of each: none is shown twice.
    """

    def __init__(self, operation: _Operation, places: list[str], tables: dict[str, str]) -> None:
        self._described = operation.described
        self._places = places
        self._tables = tables

    def parts(self) -> Iterator[str]:
        """Its paragraphs and tables."""
        yield f"### {self._places[0]}"
        yield self._described["summary"]
        if self._places[1:]:
            yield f"Also at {', '.join(f'`{place}`' for place in self._places[1:])}."
        yield "Needs a token, if the bridge has tokens." if "security" in self._described else "Needs no token."
        yield from self._parameters()
        for kind, one in self._described.get("requestBody", {}).get("content", {}).items():
            yield from self._body("Body", kind, one["schema"])
        for kind, one in self._described["responses"]["200"]["content"].items():
            yield from self._body("Answer", kind, one["schema"])
        failures = [f"{status} {HTTPStatus(int(status)).phrase}" for status in self._described["responses"]]
        yield f"**Statuses**: {', '.join(failures)}."

    def _parameters(self) -> Iterator[str]:
        if described := self._described["parameters"]:
            properties = {one["name"]: {**one["schema"], "description": _description(one)} for one in described}
            required = [one["name"] for one in described if one.get("required")]
            yield "**Parameters**"
            yield table({"properties": properties, "required": required})

    def _body(self, what: str, kind: str, schema: Schema) -> Iterator[str]:
        described = table(schema)
        before = self._tables.setdefault(described, self._places[0])
        if not described or before == self._places[0]:
            yield f"**{what}**, `{kind}`"
            yield described or "No fields."
        else:
            yield f"**{what}**, `{kind}`: as under `{before}`."


def _description(parameter: Schema) -> str:
    return f"In the {parameter['in']}. {parameter.get('description', '')}".strip()


def _operations() -> dict[_Operation, list[str]]:
    """Each operation with its methods and paths."""
    found: dict[_Operation, list[str]] = {}
    for path, methods in document([], needs_token=True)["paths"].items():
        for method, described in methods.items():
            found.setdefault(_Operation(described), []).append(f"{method.upper()} {path}")
    return found
