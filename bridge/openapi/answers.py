"""JSON Schemas of what the bridge answers. They are closed: a field that is not named here is a mistake.

Where Cloudflare's documentation and captures differ, these say what the bridge sends.
"""

from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

STRING: Final[Schema] = {"type": "string"}
EMPTY: Final[Schema] = {"const": ""}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}


def closed(**properties: Any) -> Schema:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def array_of(items: Any) -> Schema:
    """An array."""
    return {"type": "array", "items": items}


def optional(schema: Schema, *names: str) -> Schema:
    """The same closed object, of which some properties may be missing."""
    return {**schema, "required": [name for name in schema["required"] if name not in names]}


USAGE: Final = closed(
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    total_tokens=COUNT,
    prompt_tokens_details=closed(cached_tokens=COUNT),
)

NATIVE_RESULT: Final = closed(
    response={"description": "The completion; in JSON mode the value that it writes; null beside tool calls."},
    tool_calls=array_of(closed(name=STRING, arguments={"type": "object"})),
    usage=USAGE,
)

MESSAGE: Final = closed(code={"type": "integer"}, message=STRING)


def envelope(result: Schema, **more: Schema) -> Schema:
    """Cloudflare's v4 envelope around a result."""
    return closed(
        result=result,
        success={"const": True},
        errors={"type": "array", "maxItems": 0},
        messages=array_of(MESSAGE),
        **more,
    )


V4_ERROR: Final = closed(
    result={"anyOf": [{"type": "null"}, {"type": "object", "maxProperties": 0}]},
    success={"const": False},
    errors={**array_of(MESSAGE), "minItems": 1},
    messages={"type": "array", "maxItems": 0},
)


def events(*payloads: Schema) -> Schema:
    """One server-sent event of a stream that `[DONE]` ends, whose data is one of some JSON objects."""
    payload = {"type": "string", "contentMediaType": JSON, "contentSchema": {"anyOf": list(payloads)}}
    data = {"anyOf": [{"const": "[DONE]"}, payload]}
    return {
        "description": "Each of the events; comments (lines that begin with a colon) keep the connection alive.",
        **optional(closed(event={"const": "message"}, data=data, retry={"type": "integer"}), "event", "data", "retry"),
    }


NATIVE_EVENTS: Final = events(
    optional(closed(response=STRING, p=STRING), "p"),
    closed(response=EMPTY, tool_calls=NATIVE_RESULT["properties"]["tool_calls"]),
    closed(response=EMPTY, usage=USAGE),
    closed(response=EMPTY, errors=array_of(MESSAGE)),
)
