"""The JSON Schema of what `responses` takes, and the check of a body against it.

Names and shapes are OpenAI's, ranges those of the other routes. As there, a null stands for a field that is not there,
and vLLM's fields are honoured. Fields named neither here nor in `refused_fields` are accepted and change nothing. The
type of an item, a part or a tool is checked where it is read, for a message that says what to do.
"""

from collections.abc import Mapping
from typing import Any, Final

from bridge.errors import AiError
from bridge.openai.schema import SHARED
from bridge.validation import refused_fields, vllm_fields
from bridge.validation.validator import SchemaValidator
from bridge.validation.violations import describe_all
from bridge.workers_ai.content_parts import MAX_PARTS
from bridge.workers_ai.schema import (
    CALL_ID,
    FLAT,
    FUNCTION,
    MAX_MESSAGES,
    MAX_NAME_CHARACTERS,
    MAX_TOOLS,
    OPTIONAL_STRING,
    STRING,
    Schema,
    described,
    object_schema,
)
from logs.clipping import clipped

# OpenAI's.
MAX_METADATA: Final = 16
MAX_METADATA_KEY_CHARACTERS: Final = 64
MAX_METADATA_CHARACTERS: Final = 512
MAX_FORMAT_NAME_CHARACTERS: Final = 64

LOGPROBS: Final = "message.output_text.logprobs"
# What else can be asked for belongs to tools and media that are not here; reasoning items come with their text.
INCLUDABLE: Final = (
    *(LOGPROBS, "reasoning.encrypted_content", "file_search_call.results", "web_search_call.results"),
    *("web_search_call.action.sources", "message.input_image.image_url", "computer_call_output.output.image_url"),
    "code_interpreter_call.outputs",
)
MAX_INCLUDES: Final = 16

# How soon the answer comes, how long caches keep what they have, how events are padded.
WITHOUT_EFFECT: Final = ("service_tier", "prompt_cache_retention", "prompt_cache_options", "stream_options")


def _if_type(name: str, then: Schema) -> Schema:
    """A schema of those objects that have a type."""
    of_type = {"type": "object", "properties": {"type": {"const": name}}, "required": ["type"]}
    return {"if": of_type, "then": then}


PART: Final = object_schema(["type"], type=STRING, text=STRING, refusal=STRING)
PARTS: Final[Schema] = {"type": ["string", "array", "null"], "maxItems": MAX_PARTS, "items": PART}

ITEM: Final[Schema] = {
    "type": "object",
    "properties": {
        "type": described(OPTIONAL_STRING, "Default: a message."),
        "role": {"enum": ["user", "assistant", "system", "developer", None], "description": "Who speaks."},
        "content": described(PARTS, "What is said or, of a reasoning item, thought."),
        "id": CALL_ID,
        "call_id": described(CALL_ID, "Which call this is, or which one this is the output of."),
        "name": described(OPTIONAL_STRING, "The tool's name.", maxLength=MAX_NAME_CHARACTERS),
        "arguments": described(OPTIONAL_STRING, "The arguments of a call, JSON."),
        "output": described(PARTS, "What a tool has answered."),
        "summary": {"type": ["array", "null"], "maxItems": MAX_PARTS},
        "encrypted_content": OPTIONAL_STRING,
    },
    "allOf": [
        {
            "if": {"properties": {"type": {"enum": ["message", None]}}},
            "then": {"required": ["role", "content"], "properties": {"role": {"type": "string"}}},
        },
        _if_type(
            "function_call",
            {
                "required": ["call_id", "name", "arguments"],
                "properties": {"name": {"type": "string", "minLength": 1}, "arguments": STRING},
            },
        ),
        _if_type("function_call_output", {"required": ["output"]}),
    ],
}

TOOL: Final[Schema] = {
    **object_schema(["type"], type=STRING),
    **_if_type("function", {"properties": {**FUNCTION, **FLAT}, "required": ["name"]}),
}

_NAMED: Final = object_schema(["type", "name"], type=STRING, name={**STRING, "maxLength": MAX_NAME_CHARACTERS}, **FLAT)
TOOL_CHOICE: Final[Schema] = {
    "type": ["string", "object"],
    "properties": {"type": STRING},
    "required": ["type"],
    "allOf": [
        {"if": STRING, "then": {"enum": ["auto", "none", "required"]}},
        _if_type("function", _NAMED),
        _if_type(
            "allowed_tools",
            object_schema(
                ["mode", "tools"],
                mode={"enum": ["auto", "required"]},
                tools={"type": "array", "minItems": 1, "maxItems": MAX_TOOLS, "items": _NAMED},
            ),
        ),
    ],
    "description": 'Whether tools are called: "auto", "none", "required", the one that must be or those that may.',
}

REASONING: Final[Schema] = {
    **object_schema(
        [],
        effort={"enum": ["none", "minimal", "low", "medium", "high", "xhigh", "max", None]},
        **{name: {"enum": ["auto", "concise", "detailed", None]} for name in ("summary", "generate_summary")},
    ),
    "description": "How the model is to think. What it has thought is told as it is, so a summary changes nothing.",
}

TEXT_FORMAT: Final[Schema] = {
    **object_schema(
        ["type"],
        type={"enum": ["text", "json_object", "json_schema"]},
        name={**OPTIONAL_STRING, "maxLength": MAX_FORMAT_NAME_CHARACTERS},
        schema={"type": ["object", "null"], "description": "The JSON Schema that the answer fits."},
        strict={"type": ["boolean", "null"]},
        description=OPTIONAL_STRING,
    ),
    **_if_type("json_schema", {"required": ["schema"], "properties": {"schema": {"type": "object"}}}),
}

_OWN: Final[Mapping[str, Schema]] = {
    "input": {
        "type": ["string", "array"],
        "minLength": 1,
        "minItems": 1,
        "maxItems": MAX_MESSAGES,
        "items": ITEM,
        "description": "A user's text, or the items of the whole conversation: messages, calls, their outputs, "
        "reasoning.",
    },
    "instructions": described(STRING, "A system message before all others."),
    "max_output_tokens": described(
        {"type": "integer", "minimum": 1},
        "The most tokens to generate; a response that would need more is incomplete. Default: the model's for streams.",
    ),
    "text": described(
        object_schema(
            [],
            format={**TEXT_FORMAT, "type": ["object", "null"]},
            verbosity={"enum": ["low", "medium", "high", None], "description": "Accepted, changes nothing."},
        ),
        "The form of the answer's text.",
    ),
    "reasoning": REASONING,
    "chat_template_kwargs": vllm_fields.TEMPLATE_FIELDS["chat_template_kwargs"],
    "tools": {
        "type": "array",
        "maxItems": MAX_TOOLS,
        "items": TOOL,
        "description": "The functions that may be called.",
    },
    "tool_choice": TOOL_CHOICE,
    "parallel_tool_calls": described(
        {"type": "boolean", "default": True},
        "Whether the answer may call more than one tool; otherwise it is its first call.",
    ),
    "include": {
        "type": "array",
        "maxItems": MAX_INCLUDES,
        "items": {"enum": list(INCLUDABLE)},
        "description": f"What else the answer is to have; of these `{LOGPROBS}` changes something.",
    },
    "top_logprobs": described(
        {"type": "integer", "minimum": 0, "maximum": 20},
        f"With `{LOGPROBS}` in `include`: of how many likely tokens at each place.",
    ),
    "truncation": described(
        {"enum": ["auto", "disabled"], "default": "disabled"},
        "Whether a prompt that is too long is refused or loses its first tokens.",
    ),
    "metadata": {
        "type": "object",
        "maxProperties": MAX_METADATA,
        "propertyNames": {"pattern": f"^[\\s\\S]{{0,{MAX_METADATA_KEY_CHARACTERS}}}$"},
        "additionalProperties": {"type": "string", "maxLength": MAX_METADATA_CHARACTERS},
        "description": "Pairs that the answer tells again.",
    },
    "max_tool_calls": {"type": "integer", "minimum": 1, "description": "Counts hosted tools only; changes nothing."},
    **{
        name: {**STRING, "maxLength": MAX_METADATA_CHARACTERS, "description": "Told again in the answer."}
        for name in ("user", "safety_identifier", "prompt_cache_key")
    },
    **{name: {"description": "Accepted for compatibility, changes nothing."} for name in WITHOUT_EFFECT},
}
_SHARED: Final = {name: schema for name, schema in SHARED.items() if name not in refused_fields.RESPONSES}

RESPONSES_SCHEMA: Final[Schema] = object_schema(["model", "input"], **{**_SHARED, **_OWN})

_RESPONSES: Final = SchemaValidator(RESPONSES_SCHEMA)


def check_responses(body: object) -> dict[str, Any]:
    """Checks a body of `responses`.

    Args:
        body: What the request's JSON says.

    Returns:
        Its fields, without those that are null.

    Raises:
        AiError: It is none, with every violation in its text, or asks for what this surface does not have.
    """
    fields = {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else {}
    refused_fields.check(fields, refused_fields.RESPONSES)
    _check_metadata(fields.get("metadata"))
    instance: Any = fields if isinstance(body, dict) else body
    if not _RESPONSES.is_valid(instance):
        raise AiError("INVALID_REQUEST", describe_all(_RESPONSES.iter_errors(instance)))
    _check_inside(fields)
    return fields


def _check_metadata(metadata: object) -> None:
    """Looks at the values without telling their names, which may say anything."""
    values = metadata.values() if isinstance(metadata, dict) and len(metadata) <= MAX_METADATA else ()
    if not all(isinstance(value, str) and len(value) <= MAX_METADATA_CHARACTERS for value in values):
        message = f"values in '/metadata' must be strings of at most {MAX_METADATA_CHARACTERS} characters"
        raise AiError("INVALID_REQUEST", message)


def _check_inside(fields: Mapping[str, Any]) -> None:
    """Looks for what is refused within other fields."""
    refused_fields.check(fields.get("reasoning", {}), refused_fields.REASONING, "/reasoning")
    for index, tool in enumerate(fields.get("tools", ())):
        _check_kind(f"/tools/{index}", tool)
        refused_fields.check(tool, refused_fields.RESPONSES_TOOL, f"/tools/{index}")
    choice = fields.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] != "allowed_tools":
        _check_kind("/tool_choice", choice)
    elif isinstance(choice, dict):
        for index, tool in enumerate(choice["tools"]):
            _check_kind(f"/tool_choice/tools/{index}", tool)


def _check_kind(place: str, tool: Mapping[str, Any]) -> None:
    if tool["type"] != "function":
        message = f"'{place}/type' is '{clipped(tool['type'])}', but only functions can be called here"
        raise AiError("INVALID_REQUEST", message)
