"""The form of a call that the model must make, or may make instead of a text that has another form.

What is promised of it are the schemas of the tools. Its grammar depends on the format of the model that answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from runstream.v1 import text_generation_pb2 as pb

from service.engine_protocol.messages import GrammarKind, GrammarSpec
from service.errors import InvalidRequestError
from service.requests.call_format import CallFormat
from service.requests.call_grammars import Calls, grammar_of, rebased
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


@dataclass(frozen=True, slots=True)
class AskedForm:
    """The form of a completion, before it is known how the model that answers writes calls.

    Attributes:
        form: The form; its grammar writes calls as JSON.
        calls: The calls that it may or must make; None for none.
        asked: The form that it has if it makes none; None if it must make one.
    """

    form: Form
    calls: Calls | None = None
    asked: GrammarSpec | None = None

    def grammar(self, call_format: CallFormat) -> GrammarSpec:
        """What the engine is told, for a model that writes calls in one format."""
        if self.calls is None or call_format is CallFormat.LLAMA3_JSON:
            return self.form.grammar
        return grammar_of(self.calls, call_format, self.asked)


def forced_call(request: pb.RunRequest) -> AskedForm | None:
    """The form of the call that a checked request asks for; None if it leaves the model free.

    Raises:
        InvalidRequestError, UnsatisfiableFormatError: A tool that can be called has a schema that no arguments fit.
    """
    if not has_to_call(request):
        return None
    calls, schemas = _calls(request)
    form = Form(grammar_of(calls, CallFormat.LLAMA3_JSON), schemas_of_tools=schemas)
    return AskedForm(form, calls)


def with_calls(form: Form, request: pb.RunRequest) -> AskedForm:
    """The form of a completion that is JSON of one form, or else a call of one of the request's tools.

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
    calls, schemas = _calls(request)
    grammar = grammar_of(calls, CallFormat.LLAMA3_JSON, form.grammar)
    return AskedForm(replace(form, grammar=grammar, schemas_of_tools=schemas), calls, form.grammar)


def _calls(request: pb.RunRequest) -> tuple[Calls, dict[str, str]]:
    """The calls that can be made, and the schemas that their arguments are checked with, by the tool's name."""
    tools = callable_tools(request)
    indices = {tool.name: index for index, tool in enumerate(request.tools)}
    schemas = {tool.name: _schema(tool, f"tools[{indices[tool.name]}].parameters_json") for tool in tools}
    arguments = [
        rebased(compilable(_closed(schema)), f"#/$defs/{index}") for index, schema in enumerate(schemas.values())
    ]
    field = f"tools[{indices[tools[0].name]}].parameters_json" if len(tools) == 1 else "tools"
    return Calls(list(schemas), arguments, field), {name: as_json(schema) for name, schema in schemas.items()}


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
