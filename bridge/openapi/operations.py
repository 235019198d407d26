"""The operations of the surface, one entry for each route."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.errors import RULES
from bridge.openapi import answers
from bridge.openapi.answers import EVENTS, JSON, STRING, Schema
from bridge.schema import MESSAGES_SCHEMA, PROMPT_SCHEMA

# What routing, authentication and the service can answer on any route.
EVERYWHERE: Final = frozenset({400, 401, 403, 404, 405, 500, 503})
GENERATING: Final = EVERYWHERE | {rule.status for rule in RULES.values()}


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

    method: str
    path: str
    name: str
    tag: str
    summary: str
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None
    answers: Mapping[str, Schema] = field(default_factory=dict)
    errors: frozenset[int] = EVERYWHERE
    error: Schema = field(default_factory=lambda: answers.V4_ERROR)
    is_open: bool = False


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _as_sent(branch: Schema, other: str) -> Schema:
    """A branch of the input as clients may send it: a null stands for a field that is not there."""
    required = branch["required"]
    properties = {
        name: schema if name in required else _or_null(schema) for name, schema in branch["properties"].items()
    }
    return {**branch, "properties": {**properties, other: {"type": "null"}}}


INPUT: Final[Schema] = {"oneOf": [_as_sent(PROMPT_SCHEMA, "messages"), _as_sent(MESSAGES_SCHEMA, "prompt")]}
STATUS: Final = answers.closed(status=STRING)

OPERATIONS: Final = (
    Operation(
        method="post",
        path="/client/v4/accounts/{account_id}/ai/run/{model}",
        name="run",
        tag="Workers AI",
        summary="Generates text, whole or, with `stream`, as server-sent events.",
        body=INPUT,
        answers={JSON: answers.envelope(answers.NATIVE_RESULT), EVENTS: answers.NATIVE_EVENTS},
        errors=GENERATING,
    ),
    Operation(
        method="get",
        path="/healthz",
        name="healthz",
        tag="Operation",
        summary="Says that the process lives.",
        answers={JSON: STATUS},
        is_open=True,
    ),
    Operation(
        method="get",
        path="/readyz",
        name="readyz",
        tag="Operation",
        summary="Says whether the service behind the bridge can answer.",
        answers={JSON: STATUS},
        errors=frozenset({503}),
        error=answers.closed(status=STRING, reason=STRING),
        is_open=True,
    ),
    Operation(
        method="get",
        path="/metrics",
        name="metrics",
        tag="Operation",
        summary="Tells the metrics, for Prometheus.",
        answers={"text/plain": STRING},
        is_open=True,
    ),
    Operation(
        method="get",
        path="/openapi.json",
        name="openapi",
        tag="Operation",
        summary="Tells this document.",
        answers={JSON: {"type": "object"}},
        is_open=True,
    ),
    Operation(
        method="get",
        path="/docs",
        name="docs",
        tag="Operation",
        summary="Shows this document.",
        answers={"text/html": STRING},
        is_open=True,
    ),
)
