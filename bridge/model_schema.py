"""What `models/schema` says of a model: the objects that check requests, with this model's own defaults and limits."""

from collections.abc import Mapping
from typing import Any, Final

from runstream.v1 import models_pb2

from bridge.schema import MESSAGES_SCHEMA, PROMPT_SCHEMA, Schema, described

COUNT: Final[Schema] = {"type": "integer", "minimum": 0}

USAGE: Final[Schema] = {
    "type": "object",
    "description": "The tokens, counted.",
    "properties": {
        "prompt_tokens": described(COUNT, "Those of the prompt, with what the chat template adds."),
        "completion_tokens": described(COUNT, "Those of the answer, with the one that ends it."),
        "total_tokens": described(COUNT, "Both together."),
        "prompt_tokens_details": {
            "type": "object",
            "properties": {"cached_tokens": described(COUNT, "How many of the prompt's were computed before.")},
        },
    },
}

TOOL_CALLS: Final[Schema] = {
    "type": "array",
    "description": "The calls that the model makes.",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "arguments": {"type": "object"}},
        "required": ["name", "arguments"],
    },
}

OUTPUT: Final[Schema] = {
    "oneOf": [
        {
            "type": "object",
            "properties": {
                "response": {"description": "The text; in JSON mode the value that it writes; null beside tool calls."},
                "tool_calls": TOOL_CALLS,
                "usage": USAGE,
            },
            "required": ["response", "tool_calls", "usage"],
        },
        {"type": "string", "format": "binary", "description": "With `stream`: server-sent events."},
    ]
}


def input_schema(model: models_pb2.Model) -> Schema:
    """The input of a model."""
    branches = (PROMPT_SCHEMA, MESSAGES_SCHEMA)
    return {"type": "object", "oneOf": [_of_model(branch, model) for branch in branches]}


def _of_model(branch: Schema, model: models_pb2.Model) -> dict[str, Any]:
    properties: Mapping[str, Schema] = branch["properties"]
    max_tokens = {
        **properties["max_tokens"],
        "maximum": model.max_completion_tokens,
        "default": model.default_max_tokens,
        "description": f"The most tokens to generate; the default of streams is {model.default_max_tokens_streamed}.",
    }
    return {**branch, "properties": {**properties, "max_tokens": max_tokens}}
