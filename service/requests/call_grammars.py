"""Grammars of calls, in the form in which each family was trained to write them.

They are written as chat templates write earlier calls, so that a model that imitates these loses no tokens on white
space.
"""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.engine_protocol.messages import GrammarKind, GrammarSpec
from service.requests.call_format import CallFormat
from service.requests.python_arguments import python_arguments
from service.schemas.form import as_json
from service.schemas.json_schema import Node, rebuilt


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls that a model can choose from.

    Attributes:
        names: The tools' names.
        arguments: The schemas of their arguments as grammars are told them; what they refer to stands in `$defs`, each
            by its place.
        field: The field of the request that they come from.
    """

    names: Sequence[str]
    arguments: Sequence[Any]
    field: str

    @property
    def definitions(self) -> dict[str, Any]:
        """The schemas of the arguments, by their places."""
        return {str(index): schema for index, schema in enumerate(self.arguments)}

    def alternatives(self, key: str) -> list[Node]:
        """The schemas of a call of each tool, an object that has the arguments under a key."""
        return [
            {
                "type": "object",
                "properties": {"name": {"const": name}, key: {"$ref": f"#/$defs/{index}"}},
                "required": ["name", key],
                "additionalProperties": False,
            }
            for index, name in enumerate(self.names)
        ]


@dataclass(slots=True)
class _Lark:
    """A grammar that is being written.

    Attributes:
        calls: What it is for.
        tokens: Those that it has.
        schemas: Those that it refers to.
        rules: Its rules but the first.
    """

    calls: Calls
    tokens: tuple[str, ...] = ()
    schemas: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)

    def line(self, schema: Node, *indices: int) -> str:
        """A reference to JSON of a schema, in one line.

        Args:
            schema: May refer to the arguments of some tools.
            indices: These tools' places.
        """
        definitions = {str(index): self.calls.arguments[index] for index in indices}
        self.schemas.append(as_json({**schema, "$defs": definitions}))
        return f"@line_{len(self.schemas) - 1}"


def grammar_of(calls: Calls, call_format: CallFormat, form: GrammarSpec | None = None) -> GrammarSpec:
    """The grammar of a call, or of a completion that is either JSON of some form or a call.

    Args:
        calls: Which calls there are.
        call_format: How the model writes them.
        form: The other form, a JSON Schema; None if there must be a call.
    """
    if call_format is CallFormat.LLAMA3_JSON:
        return _json_alone(calls, form)
    lark = _Lark(calls)
    start = _WRITERS[call_format](lark)
    if form is not None:
        lark.schemas.append(form.texts[0])
        start = f"begin @json_{len(lark.schemas) - 1} | {start}"
    texts = ("\n".join([f"start: {start}", *lark.rules]), *lark.schemas)
    return GrammarSpec(GrammarKind.LARK, texts, form.field if form else calls.field, tokens=lark.tokens)


def _json_alone(calls: Calls, form: GrammarSpec | None) -> GrammarSpec:
    """One schema for all: where llguidance 1.9.1 has two to choose from that begin alike, it fails over white space."""
    definitions, alternatives = calls.definitions, calls.alternatives("parameters")
    if form is None:
        schema = json.dumps({"$defs": definitions, "anyOf": alternatives})
        return GrammarSpec(GrammarKind.JSON_LINE, (schema,), calls.field)
    asked = rebased(json.loads(form.texts[0]), "#/$defs/form")
    schema = json.dumps({"$defs": {**definitions, "form": asked}, "anyOf": [{"$ref": "#/$defs/form"}, *alternatives]})
    return GrammarSpec(GrammarKind.JSON_SCHEMA, (schema,), form.field)


def _hermes(lark: _Lark) -> str:
    lark.tokens = ("<tool_call>", "</tool_call>")
    call = lark.line({"anyOf": lark.calls.alternatives("arguments")}, *range(len(lark.calls.names)))
    return f'token_0 "\\n" {call} "\\n" token_1'


def _mistral(lark: _Lark) -> str:
    lark.tokens = ("[TOOL_CALLS]",)
    one = {"type": "array", "items": {"anyOf": lark.calls.alternatives("arguments")}, "minItems": 1, "maxItems": 1}
    return f'token_0 " "? {lark.line(one, *range(len(lark.calls.names)))}'


def _mistral_named(lark: _Lark) -> str:
    lark.tokens = ("[TOOL_CALLS]", "[ARGS]")
    calls = [
        f"{json.dumps(name)} token_1 {lark.line({'$ref': f'#/$defs/{index}'}, index)}"
        for index, name in enumerate(lark.calls.names)
    ]
    lark.rules.append(f"call: {' | '.join(calls)}")
    return "token_0 call"


def _pythonic(lark: _Lark) -> str:
    calls = []
    for index, name in enumerate(lark.calls.names):
        line, rule = functools.partial(_line_of, lark, index), functools.partial(_rule, lark, index)
        arguments = python_arguments(lark.calls.arguments[index], f"#/$defs/{index}", line, rule)
        calls.append(f'{json.dumps(f"{name}(")} {arguments} ")"')
    lark.rules.append(f"call: {' | '.join(calls)}")
    return 'begin "[" call "]"'


def _line_of(lark: _Lark, index: int, schema: Node) -> str:
    return lark.line(schema, index)


def _rule(lark: _Lark, index: int, number: int, body: str) -> str:
    name = f"arguments_{index}_{number}"
    lark.rules.append(f"{name}: {body}")
    return name


_WRITERS: dict[CallFormat, Callable[[_Lark], str]] = {
    CallFormat.HERMES: _hermes,
    CallFormat.MISTRAL: _mistral,
    CallFormat.MISTRAL_NAMED: _mistral_named,
    CallFormat.PYTHONIC: _pythonic,
}


def rebased(schema: Any, root: str) -> Any:
    """A schema that is a part of another one, at `root`, where its references begin."""

    def change(node: Node) -> Node:
        reference = node.get("$ref")
        if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
            node["$ref"] = root + reference[1:]
        return node

    return rebuilt(schema, change)
