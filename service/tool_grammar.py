"""The form of a call that the model must make: one JSON Schema for the calls of all tools that it can choose from.

It is written as chat templates write earlier calls, so that a model that imitates these loses no tokens on white space.
"""

import json
from typing import Any

from runstream.v1 import text_generation_pb2 as pb

from service.engine.messages import GrammarKind, GrammarSpec
from service.tools import callable_tools, has_to_call, parameters

# What stands under these is data, even where it looks like a schema.
_DATA = frozenset({"const", "default", "enum", "example", "examples"})

# Their keys are names and no keywords.
_SCHEMAS_BY_NAME = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})

# Of all others JSON Schema says that they don't count; llguidance refuses them.
_FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"})

_OPENING = frozenset({"$ref", "additionalProperties", "allOf", "anyOf", "oneOf", "patternProperties"})


def forced_call(request: pb.RunRequest) -> GrammarSpec | None:
    """What the engine is told of the call that a checked request asks for; None if it leaves the model free."""
    if not has_to_call(request):
        return None
    tools = callable_tools(request)
    definitions = {str(index): _embedded(parameters(tool), f"#/$defs/{index}") for index, tool in enumerate(tools)}
    calls = [_call(tool.name, f"#/$defs/{index}") for index, tool in enumerate(tools)]
    field = f"tools[{list(request.tools).index(tools[0])}].parameters_json" if len(tools) == 1 else "tools"
    return GrammarSpec(GrammarKind.JSON_LINE, (json.dumps({"$defs": definitions, "anyOf": calls}),), field)


def _call(name: str, reference: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "parameters": {"$ref": reference}},
        "required": ["name", "parameters"],
        "additionalProperties": False,
    }


def _embedded(schema: dict[str, Any], root: str) -> dict[str, Any]:
    """A tool's schema as a part of another one, at `root`.

    Properties that it does not name are left out, though JSON Schema allows them where it is silent: a tool is defined
    by its arguments, and a model that may make some up does.
    """
    embedded: dict[str, Any] = {**_rebased(schema, root), "type": "object"}
    properties, required = schema.get("properties"), schema.get("required", [])
    if isinstance(properties, dict) and isinstance(required, list) and _OPENING.isdisjoint(schema):
        embedded["additionalProperties"] = not all(str(name) in properties for name in required)
    return embedded


def _rebased(schema: Any, root: str) -> Any:
    """A schema whose references begin at `root`, without what only names its draft and its place."""
    if isinstance(schema, list):
        return [_rebased(item, root) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _rebased_keyword(key, value, root)
        for key, value in schema.items()
        if key not in ("$schema", "$id") and not (key == "format" and str(value) not in _FORMATS)
    }


def _rebased_keyword(key: str, value: Any, root: str) -> Any:
    if key in _DATA:
        return value
    if key == "$ref" and isinstance(value, str) and (value == "#" or value.startswith("#/")):
        return root + value[1:]
    if key in _SCHEMAS_BY_NAME and isinstance(value, dict):
        return {name: _rebased(item, root) for name, item in value.items()}
    return _rebased(value, root)
