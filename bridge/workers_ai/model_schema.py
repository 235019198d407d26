"""The answer of `models/schema`: the objects that check requests, with the model's own defaults and limits."""

from collections.abc import Mapping
from typing import Any, Final

from runstream.v1 import models_pb2

from bridge.workers_ai.schema import Schema
from bridge.workers_ai.shapes.shape import Shape

STREAM: Final[Schema] = {"type": "string", "format": "binary", "description": "With `stream`: server-sent events."}


def input_schema(model: models_pb2.Model, shape: Shape) -> Schema:
    """The input of a model."""
    return {"type": "object", "oneOf": [_of_model(branch, model) for branch in shape.inputs]}


def output_schema(shape: Shape) -> Schema:
    """The output of a model."""
    return {"oneOf": [*shape.outputs, STREAM]} if shape.outputs else {}


def _of_model(branch: Schema, model: models_pb2.Model) -> dict[str, Any]:
    properties: Mapping[str, Schema] = branch["properties"]
    streamed = model.default_max_tokens_streamed
    of_model: dict[str, dict[str, Any]] = {
        "max_tokens": {
            "maximum": model.max_completion_tokens,
            "default": model.default_max_tokens,
            "description": f"The most tokens to generate; the default of streams is {streamed}.",
        },
        "max_completion_tokens": {"maximum": model.max_completion_tokens},
        "temperature": {"default": model.default_temperature} if model.answer_shape else {},
    }
    changed = {name: {**properties[name], **changes} for name, changes in of_model.items() if name in properties}
    return {**branch, "properties": {**properties, **changed}}
