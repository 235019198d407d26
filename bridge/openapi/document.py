"""The OpenAPI document (https://spec.openapis.org/oas/v3.1.1) of the operations."""

from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from accounts.tokens import ACCOUNT_PATTERN
from bridge.openapi import openai, operating, workers_ai
from bridge.openapi.answers import JSON
from bridge.openapi.operation import MODEL, MODEL_NAME, Operation
from bridge.workers_ai.schema import Schema

OPERATIONS: Final = (*workers_ai.OPERATIONS, *openai.OPERATIONS, *operating.OPERATIONS)

DESCRIPTION: Final = """Cloudflare Workers AI text generation on your own machine.

The body of a request is read as JSON whatever its content type says, and fields that are named nowhere here are
accepted and change nothing."""

HEADERS: Final = {
    "cf-ai-req-id": {
        "description": "The request's id, which messages and logs repeat.",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    },
    "x-runstream-model": {
        "description": "The model that answers, if another stands in for the one asked for.",
        "schema": {"type": "string"},
    },
}

RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "In how many seconds to ask again.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 60},
    }
}


def document(models: Sequence[str], *, needs_token: bool) -> dict[str, Any]:
    """Makes the document.

    Args:
        models: The models that the service knows; none if it can't be asked, and then any name is allowed.
        needs_token: Whether requests must carry a token.
    """
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, needs_token)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Runstream", "version": version("runstream"), "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": {MODEL_NAME: {"type": "string", **({"enum": list(models)} if models else {"minLength": 1})}},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation, needs_token: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *operation.parameters],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": operation.body}}}
    if needs_token and not operation.is_open:
        described["security"] = [{"token": []}]
    return described


def _path_parameters(path: str) -> list[Schema]:
    schemas: dict[str, Schema] = {
        "account_id": {"type": "string", "pattern": ACCOUNT_PATTERN},
        "model": MODEL,
    }
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in schemas.items()
        if f"{{{name}}}" in path
    ]


def _responses(operation: Operation) -> dict[str, Any]:
    answered = {kind: {"schema": schema} for kind, schema in operation.answers.items()}
    responses: dict[str, Any] = {"200": {"description": "The answer.", "headers": HEADERS, "content": answered}}
    failed = {JSON: {"schema": operation.error}}
    for status in sorted(operation.errors):
        headers = {**HEADERS, **(RETRY_AFTER if status in (429, 503) else {})}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "headers": headers, "content": failed}
    return responses
