"""JSON Schemas of answers and their parts."""

from typing import Any, Final

from bridge.workers_ai.schema import STRING, Schema, described

COUNT: Final[Schema] = {"type": "integer", "minimum": 0}

OBJECT: Final[Schema] = {"type": "object"}

FINISH_REASON: Final[Schema] = {"enum": ["stop", "length", "tool_calls"]}


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


USAGE: Final = closed(
    prompt_tokens=described(COUNT, "Those of the prompt, with what the chat template adds."),
    completion_tokens=described(COUNT, "Those of the answer, with the one that ends it."),
    total_tokens=described(COUNT, "Both together."),
    prompt_tokens_details=closed(cached_tokens=described(COUNT, "How many of the prompt's were computed before.")),
)

TOOL_CALLS: Final = array_of(closed(name=STRING, arguments=OBJECT))

NATIVE_RESULT: Final = closed(
    response={"description": "The completion; in JSON mode the value that it writes; null beside tool calls."},
    tool_calls=TOOL_CALLS,
    usage=USAGE,
    finish_reason=described(FINISH_REASON, "Why it ended; Cloudflare's native answers do not tell."),
)
