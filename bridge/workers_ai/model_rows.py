"""The rows of Cloudflare's model catalog, for the models that the service knows, and which of them a search finds."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from runstream.v1 import models_pb2

from bridge.workers_ai.schema import FIELDS

TASK: Final = {
    "id": "c329a1f9-323d-4e91-b2aa-582dd4188d34",
    "name": "Text Generation",
    "description": (
        "Family of generative text models, such as large language models (LLM), that can be adapted for a variety of "
        "natural language tasks."
    ),
}

# Some clients keep a model by the id that Cloudflare's catalog gives it.
KNOWN_IDS: Final = {
    "@cf/meta/llama-3.1-8b-instruct": "41975cc2-c82e-4e98-b7b8-88ffb186a545",
    "@cf/meta/llama-2-7b-chat-fp16": "ca54bcd6-0d98-4739-9b3b-5c8b4402193d",
    "@cf/meta/llama-2-7b-chat-int8": "9c95c39d-45b3-4163-9631-22f0c0dc3b14",
    "@cf/mistral/mistral-7b-instruct-v0.1": "c907d0f9-d69d-4e93-b501-4daeb4fd69eb",
}

# No catalog tells when its models were made.
CREATED: Final = 0
CREATED_AT: Final = "1970-01-01 00:00:00.000"

HELD_HERE: Final = ("function_calling", "reasoning", "beta", "async_queue")
"""The properties of Workers AI's models that hold here as well: no model here sees pictures or asks for a paid plan."""

SHAPE_NAMES: Final = {
    models_pb2.ANSWER_SHAPE_COMPLETION: "completion",
    models_pb2.ANSWER_SHAPE_CHAT: "chat",
    models_pb2.ANSWER_SHAPE_RESPONSES: "responses",
    models_pb2.ANSWER_SHAPE_GUARD: "guard",
}
"""How a row tells of answers that are not native, in a property that Cloudflare does not have."""

NOT_SAMPLING: Final = frozenset({"raw", "stream", "lora", "options", "tools", "tool_choice", "response_format"})


def author_of(model: models_pb2.Model) -> str:
    """The maker of a model, by its name: "meta" for "@cf/meta/llama-3.1-8b-instruct"."""
    steps = model.id.removeprefix("@").split("/")
    return steps[-2] if len(steps) > 1 else ""


def source_of(model: models_pb2.Model) -> int:
    """The number of the catalog's part that a model is in: 2 for those that come from Hugging Face, 1 for others."""
    return 2 if model.id.startswith("@hf/") else 1


def is_found(model: models_pb2.Model, filters: Mapping[str, str]) -> bool:
    """Whether a search finds a model.

    Args:
        model: The model.
        filters: What is looked for: `search` in name, description and task, `task`, `author` and `source` as a whole.
            Those that are missing find all. `hide_experimental` "true" leaves out beta models, `include_deprecated`
            "false" those that Cloudflare has retired.
    """
    searched = f"{model.id}\n{model.description}\n{TASK['name']}".casefold()
    if filters.get("hide_experimental") == "true" and "beta" in model.properties:
        return False
    if filters.get("include_deprecated") == "false" and model.retired:
        return False
    return (
        filters.get("search", "").casefold() in searched
        and filters.get("task", TASK["name"]).casefold() in (TASK["name"].casefold(), TASK["id"])
        and filters.get("author", author_of(model)).casefold() == author_of(model).casefold()
        and filters.get("source", str(source_of(model))) == str(source_of(model))
    )


def to_row(model: models_pb2.Model) -> dict[str, Any]:
    """A model as `models/search` lists it. The model's name is in `name`; `id` is a UUID."""
    return {
        "id": KNOWN_IDS.get(model.id, str(uuid.uuid5(uuid.NAMESPACE_URL, model.id))),
        "source": source_of(model),
        "name": model.id,
        "description": model.description,
        "task": TASK,
        "created_at": CREATED_AT,
        "tags": [],
        "properties": [{"property_id": name, "value": value} for name, value in _properties(model)],
    }


def to_openrouter_row(model: models_pb2.Model) -> dict[str, Any]:
    """A model as `models/search?format=openrouter` lists it, as its readers expect it (models.dev, for one)."""
    return {
        "id": model.id,
        "name": model.id.rpartition("/")[2],
        "created": CREATED,
        "hugging_face_id": None,
        "context_length": model.context_window,
        "max_output_length": model.max_completion_tokens,
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "pricing": {"prompt": "0", "completion": "0"},
        "supported_features": ["structured_outputs", "json_mode", *(["tools"] if model.can_call_tools else [])],
        "supported_sampling_parameters": [name for name in FIELDS if name not in NOT_SAMPLING],
    }


def _properties(model: models_pb2.Model) -> list[tuple[str, str]]:
    properties = [("context_window", str(model.context_window))]
    told = {*model.properties, *(["function_calling"] if model.can_call_tools else [])}
    properties += [(name, "true") for name in HELD_HERE if name in told]
    if model.retired:
        properties.append(("planned_deprecation_date", model.retired))
    if shape := SHAPE_NAMES.get(model.answer_shape):
        properties.append(("answer_shape", shape))
    if model.lora_adapters:
        properties.append(("lora", "true"))
    if model.license:
        is_address = model.license.startswith(("http://", "https://"))
        properties.append(("terms" if is_address else "info", model.license))
    return properties
