"""JSON Schemas of what the bridge answers. They are closed: a field that is not named here is a mistake.

Where Cloudflare's documentation and captures differ, these say what the bridge sends.
"""

from typing import Final

from bridge.workers_ai.answer_schemas import COUNT, FINISH_REASON, NATIVE_RESULT, TOOL_CALLS, USAGE, array_of, closed
from bridge.workers_ai.schema import OPTIONAL_STRING, STRING, Schema

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

EMPTY: Final[Schema] = {"const": ""}
NULL: Final[Schema] = {"type": "null"}


def optional(schema: Schema, *names: str) -> Schema:
    """The same closed object, of which some properties may be missing."""
    return {**schema, "required": [name for name in schema["required"] if name not in names]}


def or_null(schema: Schema) -> Schema:
    """A value that may be null."""
    return {"anyOf": [schema, NULL]}


def events(*payloads: Schema) -> Schema:
    """One server-sent event of a stream that `[DONE]` ends, whose data is one of some JSON objects."""
    payload = {"type": "string", "contentMediaType": JSON, "contentSchema": {"anyOf": list(payloads)}}
    data = {"anyOf": [{"const": "[DONE]"}, payload]}
    event = closed(event={"const": "message"}, data=data, retry={"type": "integer"})
    return {
        "description": "Each of the events; comments (lines that begin with a colon) keep the connection alive.",
        **optional(event, "event", "data", "retry"),
    }


MESSAGE: Final = closed(code={"type": "integer"}, message=STRING)
ERRORS: Final = {**array_of(MESSAGE), "minItems": 1}

_WHICH: Final = closed(id=COUNT, external_reference=OPTIONAL_STRING)["properties"]
BATCH_UNFINISHED: Final = closed(status={"enum": ["queued", "running"]}, request_id=STRING, model=STRING)
BATCH_RESULTS: Final = closed(
    responses=array_of(
        {
            "anyOf": [
                closed(**_WHICH, result=NATIVE_RESULT, success={"const": True}),
                closed(**_WHICH, success={"const": False}, errors=ERRORS),
            ]
        }
    ),
    usage=USAGE,
)
RESULT: Final[Schema] = {"anyOf": [NATIVE_RESULT, BATCH_UNFINISHED, BATCH_RESULTS]}
NOTHING: Final[Schema] = {"type": "array", "maxItems": 0}

V4_ERROR: Final = closed(
    result={"anyOf": [NULL, {"type": "object", "maxProperties": 0}]},
    success={"const": False},
    errors=ERRORS,
    messages=NOTHING,
)
FLAT_ERROR: Final = closed(
    name=STRING,
    internalCode={"type": "integer"},
    httpCode={"type": "integer"},
    message=STRING,
    description=STRING,
    requestId={"type": "string", "format": "uuid"},
)
BINDING_GATEWAY_ERROR: Final = closed(
    **V4_ERROR["properties"],
    **{name: FLAT_ERROR["properties"][name] for name in ("name", "internalCode", "httpCode", "description")},
)

OPENAI_ERROR: Final = closed(error=closed(message=STRING, type=STRING, param=OPTIONAL_STRING, code=OPTIONAL_STRING))

LOGPROB: Final[Schema] = {"type": "number", "maximum": 0}
LIKELY: Final = closed(token=STRING, logprob=LOGPROB, bytes=array_of({"type": "integer", "minimum": 0, "maximum": 255}))

NATIVE_EVENTS: Final = events(
    optional(closed(response=STRING, p=STRING), "p"),
    closed(response=EMPTY, tool_calls=TOOL_CALLS),
    closed(response=EMPTY, usage=USAGE, finish_reason=FINISH_REASON),
    closed(response=EMPTY, errors=ERRORS),
)


def envelope(result: Schema, message: Schema = MESSAGE, **more: Schema) -> Schema:
    """Cloudflare's v4 envelope around a result."""
    return closed(result=result, success={"const": True}, errors=NOTHING, messages=array_of(message), **more)
