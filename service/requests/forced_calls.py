"""The form of a call that the model must make, or may make instead of a text that has another form.

It is one JSON Schema for the calls of all tools that the model can choose from.

It is written as chat templates write earlier calls, so that a model that imitates these loses no tokens on white space.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from runstream.v1 import text_generation_pb2 as pb

from service.engine_protocol.messages import GrammarKind, GrammarSpec
from service.errors import InvalidRequestError
from service.requests.tools import callable_tools, has_to_call, parameters
from service.schemas.form import Form, as_json, modern_schema
from service.schemas.grammar_schema import compilable
from service.schemas.json_schema import Node, rebuilt, subschemas, types

# With one of these, a schema says itself which properties it has beyond those that it names.
_OPENING = frozenset(
    {
        *("$ref", "additionalProperties", "allOf", "anyOf", "oneOf", "patternProperties", "propertyNames"),
        *("minProperties", "unevaluatedProperties", "if", "dependentSchemas"),
    }
)

_ALTERNATIVES = frozenset({"$ref", "anyOf", "oneOf"})
_OF_OBJECTS = frozenset({"properties", "required", "additionalProperties", "patternProperties"})


def forced_call(request: pb.RunRequest) -> Form | None:
    """The form of the call that a checked request asks for; None if it leaves the model free.

    Raises:
        InvalidRequestError, UnsatisfiableFormatError: A tool that can be called has a schema that no arguments fit.
    """
    if not has_to_call(request):
        return None
    calls = _calls(request)
    schema = json.dumps({"$defs": calls.definitions, "anyOf": calls.alternatives})
    return Form(GrammarSpec(GrammarKind.JSON_LINE, (schema,), calls.field), schemas_of_tools=calls.schemas)


def with_calls(form: Form, request: pb.RunRequest) -> Form:
    """The form of a completion that is JSON of one form, or else a call of one of the request's tools.

    One schema tells both: where llguidance 1.9.1 has two grammars to choose from, it fails over white space.

    Raises:
        InvalidRequestError: The form is none of JSON.
        InvalidRequestError, UnsatisfiableFormatError: As for `forced_call`.
    """
    if form.grammar.kind is not GrammarKind.JSON_SCHEMA:
        message = (
            f"{form.grammar.field} can't be used together with tools unless it asks for JSON: leave one of them out, "
            "or forbid calls by tool_choice"
        )
        raise InvalidRequestError(message, form.grammar.field)
    calls = _calls(request)
    asked = _rebased(json.loads(form.grammar.texts[0]), "#/$defs/form")
    schema = {
        "$defs": {**calls.definitions, "form": asked},
        "anyOf": [{"$ref": "#/$defs/form"}, *calls.alternatives],
    }
    return replace(form, grammar=replace(form.grammar, texts=(json.dumps(schema),)), schemas_of_tools=calls.schemas)


class _Calls(NamedTuple):
    """What calls are like.

    Attributes:
        definitions: The schemas of the tools' arguments as grammars are told them, by the tools' places.
        alternatives: The schemas of a call of each tool.
        schemas: Those of the arguments that are checked, by the tool's name.
        field: The field of the request that they come from.
    """

    definitions: dict[str, Any]
    alternatives: list[Node]
    schemas: dict[str, str]
    field: str


def _calls(request: pb.RunRequest) -> _Calls:
    tools = callable_tools(request)
    indices = {tool.name: index for index, tool in enumerate(request.tools)}
    schemas = {tool.name: _schema(tool, f"tools[{indices[tool.name]}].parameters_json") for tool in tools}
    definitions = {
        str(index): _rebased(compilable(_closed(schema)), f"#/$defs/{index}")
        for index, schema in enumerate(schemas.values())
    }
    alternatives = [_call(name, f"#/$defs/{index}") for index, name in enumerate(schemas)]
    field = f"tools[{indices[tools[0].name]}].parameters_json" if len(tools) == 1 else "tools"
    return _Calls(definitions, alternatives, {name: as_json(schema) for name, schema in schemas.items()}, field)


def _call(name: str, reference: str) -> Node:
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "parameters": {"$ref": reference}},
        "required": ["name", "parameters"],
        "additionalProperties": False,
    }


def _schema(tool: pb.Tool, field: str) -> Node:
    """The schema of a tool's arguments, without what only names its draft and its place."""
    plain = rebuilt(parameters(tool), lambda node: {key: node[key] for key in node if key not in ("$schema", "$id")})
    modern = modern_schema(plain, field)
    return {**modern, "type": "object"}


def _closed(schema: Node) -> Any:
    """A tool's schema without the properties that it does not name, though JSON Schema allows them where it is silent.

    A tool is defined by its arguments, and a model that may make some up does. Objects inside are closed too, unless
    schemas are put together somewhere: then one may be silent of what another names.
    """
    return _close(schema) if any(map(_is_put_together, _all(schema))) else rebuilt(schema, _close)


def _close(schema: Node) -> Node:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    is_object = "properties" in schema or ("type" in schema and "object" in types(schema))
    if is_object and isinstance(properties, dict) and isinstance(required, list) and _OPENING.isdisjoint(schema):
        return {**schema, "additionalProperties": not all(str(name) in properties for name in required)}
    return schema


def _is_put_together(schema: Node) -> bool:
    return "allOf" in schema or bool(_ALTERNATIVES & schema.keys() and _OF_OBJECTS & schema.keys())


def _all(schema: Any) -> Iterator[Node]:
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            yield node
            waiting.extend(subschemas(node))


def _rebased(schema: Any, root: str) -> Any:
    """A schema that is a part of another one, at `root`, where its references begin."""

    def change(node: Node) -> Node:
        reference = node.get("$ref")
        if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
            node["$ref"] = root + reference[1:]
        return node

    return rebuilt(schema, change)
