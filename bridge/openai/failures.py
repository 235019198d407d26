"""Failures in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.

Statuses are OpenAI's where they differ from Workers AI's, so that the official clients raise the exceptions that their
users expect.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aiohttp import web

from bridge.errors import AiError, GatewayError
from bridge.http import sse
from bridge.http.json_text import json_response

INVALID: Final = "invalid_request_error"
SERVER: Final = "server_error"

# The field that an error is about, or the first that it names.
FIELD: Final = re.compile(r"'/([^']+)'")


class Kind(NamedTuple):
    """The way OpenAI tells one kind of failure.

    Attributes:
        type: Whose fault it is.
        code: What it is, for programs; None if nothing more is to be said.
        status: The HTTP status; None for that of Workers AI.
    """

    type: str
    code: str | None = None
    status: int | None = None


KINDS: Final[Mapping[str, Kind]] = {
    "LORA_UNSUPPORTED": Kind(INVALID, "unsupported_parameter", 400),
    "MODEL_NOT_FOUND": Kind(INVALID, "model_not_found", 404),
    "WEIGHTS_MISSING": Kind(INVALID, "model_not_found", 404),
    "CONTEXT_WINDOW_EXCEEDED": Kind(INVALID, "context_length_exceeded", 400),
    "QUEUE_FULL": Kind("rate_limit_error", "rate_limit_exceeded"),
    "RATE_LIMITED": Kind("rate_limit_error", "rate_limit_exceeded"),
    "MODEL_NOT_READY": Kind(SERVER, "service_unavailable"),
    "DEADLINE_EXCEEDED": Kind(SERVER, "timeout"),
    "ENGINE_FAILED": Kind(SERVER),
    "INTERNAL": Kind(SERVER),
}

# By status and Cloudflare's code: a 403 has the code of a wrong token but no token helps.
GATEWAY_KINDS: Final[Mapping[tuple[int, int], Kind]] = {
    (400, 7000): Kind(INVALID, None, 404),
    (405, 7001): Kind(INVALID, "method_not_supported"),
    (401, 10000): Kind(INVALID, "invalid_api_key"),
    (400, 10001): Kind(INVALID, "invalid_api_key", 401),
}


def ai_failure(error: AiError, request_id: str) -> web.Response:
    """The answer to a request that the AI layer refuses or fails."""
    status = _kind(error).status or error.rule.status
    return json_response(failure(error, request_id), status, error.headers())


def gateway_failure(error: GatewayError) -> web.Response:
    """The answer of routing and authentication."""
    kind = GATEWAY_KINDS.get((error.status, error.code), Kind(INVALID))
    entry = {"message": error.message, "type": kind.type, "param": None, "code": kind.code}
    return json_response({"error": entry}, kind.status or error.status, dict(error.headers))


def stream_failure(error: AiError, request_id: str) -> bytes:
    """The end of a stream that fails after its first event. OpenAI's clients raise on it; `[DONE]` does not follow."""
    return sse.event(failure(error, request_id))


def failure(error: AiError, request_id: str) -> dict[str, Any]:
    """The body that tells of an error of the AI layer."""
    kind = _kind(error)
    message = f"{error.description} ({request_id})"
    param = _param(error) if kind.type == INVALID else None
    return {"error": {"message": message, "type": kind.type, "param": param, "code": kind.code}}


def _kind(error: AiError) -> Kind:
    return KINDS.get(error.reason, Kind(INVALID))


def _param(error: AiError) -> str | None:
    """The field at fault, as OpenAI writes it: `messages[0].content`."""
    match = FIELD.search(f"'{error.pointer}' {error.description}")
    return re.sub(r"/(\d+)", r"[\1]", match[1]).replace("/", ".") if match else None
