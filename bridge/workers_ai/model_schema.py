"""What `models/schema` says of a model: the objects that check requests, with this model's own defaults and limits."""

from collections.abc import Mapping
from typing import Any, Final

from runstream.v1 import models_pb2

from bridge.workers_ai.answer_schemas import NATIVE_RESULT
from bridge.workers_ai.schema import MESSAGES_SCHEMA, PROMPT_SCHEMA, Schema

OUTPUT: Final[Schema] = {
    "oneOf": [
        NATIVE_RESULT,
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
