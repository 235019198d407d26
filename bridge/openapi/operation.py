"""The parts of the document: operations, and the objects that they share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.errors import RULES
from bridge.openai.run_shapes import schema as run_chat
from bridge.openai.run_shapes.responses import INPUT_SCHEMA
from bridge.openapi.answers import V4_ERROR
from bridge.workers_ai.answer_schemas import NULL
from bridge.workers_ai.batch_requests import MAX_REFERENCE_CHARACTERS, MAX_REQUESTS
from bridge.workers_ai.schema import MESSAGES_SCHEMA, PROMPT_SCHEMA, STRING, Schema, object_schema

# What routing, authentication and the service can answer on any route.
EVERYWHERE: Final = frozenset({400, 401, 403, 404, 405, 500, 503})
GENERATING: Final = EVERYWHERE | {rule.status for rule in RULES.values()}

# Which models there are only a running service knows.
MODEL_NAME: Final = "ModelName"
MODEL: Final[Schema] = {"$ref": f"#/components/schemas/{MODEL_NAME}"}

ACCOUNT: Final = "/client/v4/accounts/{account_id}"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    Attributes:
        method: In lower case.
        path: With its parameters in braces.
        name: The operationId.
        tag: The section that it stands in.
        summary: What it does.
        parameters: OpenAPI parameter objects, besides those of the path.
        body: The schema of the JSON body; None if it has none.
        answers: The schemas of a successful answer by content type.
        errors: The statuses of failures.
        error: The schema of a failure.
        is_open: Whether it asks for no token.
    """

    method: str = "get"
    path: str
    name: str
    tag: str
    summary: str
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None
    answers: Mapping[str, Schema]
    errors: frozenset[int] = EVERYWHERE
    error: Schema = field(default_factory=lambda: V4_ERROR)
    is_open: bool = False


def query(name: str, description: str, *, is_required: bool = False, **schema: Any) -> Schema:
    """A parameter of the query; an empty one is as good as none unless it is required."""
    given = schema if is_required else {"anyOf": [schema, {"const": ""}]}
    return {"name": name, "in": "query", "description": description, "required": is_required, "schema": given}


def header(name: str, description: str, **schema: Any) -> Schema:
    """A header that must be there."""
    return {"name": name, "in": "header", "description": description, "required": True, "schema": schema}


def as_sent(schema: Schema, **more: Schema) -> Schema:
    """An input as clients may send it: a null stands for a field that is not there.

    Args:
        schema: What is checked once the nulls are gone.
        more: Further properties.
    """
    required = schema["required"]
    properties = {
        name: described if name in required else {"anyOf": [described, {"type": "null"}]}
        for name, described in schema["properties"].items()
    }
    return {**schema, "properties": {**properties, **more}}


_PROMPTS: Final = (PROMPT_SCHEMA, run_chat.PROMPT_SCHEMA)
_MESSAGES: Final = (MESSAGES_SCHEMA, run_chat.MESSAGES_SCHEMA)


def _input(**more: Schema) -> Schema:
    """The input of an answer, in Workers AI's words or in OpenAI's, by the model's shape."""
    prompts = [as_sent(schema, messages=NULL, **more) for schema in _PROMPTS]
    messages = [as_sent(schema, prompt=NULL, **more) for schema in _MESSAGES]
    return {"anyOf": [*prompts, *messages, as_sent(INPUT_SCHEMA, prompt=NULL, messages=NULL, **more)]}


INPUT: Final = _input()
# The options that count stand beside these inputs.
BOUND_INPUT: Final = _input(options={})
_REFERENCE: Final[Schema] = {
    "properties": {"external_reference": {"type": ["string", "null"], "maxLength": MAX_REFERENCE_CHARACTERS}}
}
BATCH: Final[Schema] = {
    **object_schema(
        ["requests"],
        requests={"type": "array", "minItems": 1, "maxItems": MAX_REQUESTS, "items": {"allOf": [INPUT, _REFERENCE]}},
    ),
    "description": "With `queueRequest`: what is to be answered some time.",
}
POLL: Final[Schema] = {
    **object_schema(["request_id"], request_id=STRING, prompt=NULL, messages=NULL, requests=NULL),
    "description": "Asks how far a batch is.",
}
ASKED: Final[Schema] = {"anyOf": [INPUT, BATCH, POLL]}
BOUND: Final = object_schema(
    ["inputs"], inputs={"anyOf": [BOUND_INPUT, BATCH, POLL]}, options={"type": ["object", "null"]}
)
