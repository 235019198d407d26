"""JSON Schemas of answers and their parts."""

from typing import Any, Final

from bridge.workers_ai.schema import STRING, Schema, described

COUNT: Final[Schema] = {"type": "integer", "minimum": 0}

OBJECT: Final[Schema] = {"type": "object"}

NULL: Final[Schema] = {"type": "null"}

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


def optional(schema: Schema, *names: str) -> Schema:
    """The same closed object, of which some properties may be missing."""
    return {**schema, "required": [name for name in schema["required"] if name not in names]}


def or_null(schema: Schema) -> Schema:
    """A value that may be null."""
    return {"anyOf": [schema, NULL]}


USAGE: Final = optional(
    closed(
        prompt_tokens=described(COUNT, "Those of the prompt, with what the chat template adds."),
        completion_tokens=described(COUNT, "Those of the answer, with the one that ends it."),
        total_tokens=described(COUNT, "Both together."),
        prompt_tokens_details=closed(cached_tokens=described(COUNT, "How many of the prompt's were computed before.")),
        completion_tokens_details=closed(reasoning_tokens=described(COUNT, "How many of the answer's were thinking.")),
    ),
    "completion_tokens_details",
)

THOUGHT: Final = described(STRING, "What the model thought before its answer; only if it did.")

TOOL_CALLS: Final = array_of(closed(name=STRING, arguments=OBJECT))

NATIVE_RESULT: Final = optional(
    closed(
        response={"description": "The completion; in JSON mode the value that it writes; null beside tool calls."},
        reasoning_content=THOUGHT,
        tool_calls=TOOL_CALLS,
        usage=USAGE,
        finish_reason=described(FINISH_REASON, "Why it ended; Cloudflare's native answers do not tell."),
    ),
    "reasoning_content",
)

VERDICT: Final = closed(
    safe=described({"type": "boolean"}, "Whether the conversation is."),
    categories=described(array_of({"enum": [f"S{number}" for number in range(1, 15)]}), "The hazards, if it is not."),
)

GUARD_RESULT: Final = optional(
    closed(
        **{
            **NATIVE_RESULT["properties"],
            "response": {
                "anyOf": [{"type": ["string", "null"]}, VERDICT],
                "description": "The text, or with `response_format` what it tells.",
            },
        }
    ),
    "reasoning_content",
)
