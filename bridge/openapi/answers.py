"""JSON Schemas of what the bridge answers. They are closed: a field that is not named here is a mistake.

Where Cloudflare's documentation and captures differ, these say what the bridge sends.
"""

from typing import Final

from bridge.openai.answer_schemas import CHAT, CHAT_CHUNK, TEXT, TEXT_CHUNK
from bridge.openai.responses.answer_schemas import RESPONSE
from bridge.workers_ai.answer_schemas import (
    COUNT,
    FINISH_REASON,
    NATIVE_RESULT,
    NULL,
    THOUGHT,
    TOOL_CALLS,
    USAGE,
    array_of,
    closed,
    optional,
)
from bridge.workers_ai.schema import OPTIONAL_STRING, STRING, Schema

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

EMPTY: Final[Schema] = {"const": ""}


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

# By the shape of the model's answers.
WHOLE: Final = (NATIVE_RESULT, CHAT, TEXT, RESPONSE)

_WHICH: Final = closed(id=COUNT, external_reference=OPTIONAL_STRING)["properties"]
BATCH_UNFINISHED: Final = closed(status={"enum": ["queued", "running"]}, request_id=STRING, model=STRING)
BATCH_RESULTS: Final = closed(
    responses=array_of(
        {
            "anyOf": [
                closed(**_WHICH, result={"anyOf": list(WHOLE)}, success={"const": True}),
                closed(**_WHICH, success={"const": False}, errors=ERRORS),
            ]
        }
    ),
    usage=USAGE,
)
RESULT: Final[Schema] = {"anyOf": [*WHOLE, BATCH_UNFINISHED, BATCH_RESULTS]}
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

NATIVE_EVENTS: Final = events(
    optional(closed(response=STRING, p=STRING), "p"),
    optional(closed(response=EMPTY, reasoning_content=THOUGHT, p=STRING), "p"),
    closed(response=EMPTY, tool_calls=TOOL_CALLS),
    optional(closed(response=EMPTY, usage=USAGE, finish_reason=FINISH_REASON), "finish_reason"),
    CHAT_CHUNK,
    TEXT_CHUNK,
    closed(response=EMPTY, errors=ERRORS),
)


def envelope(result: Schema, message: Schema = MESSAGE, **more: Schema) -> Schema:
    """Cloudflare's v4 envelope around a result."""
    return closed(result=result, success={"const": True}, errors=NOTHING, messages=array_of(message), **more)
