"""The text-generation input of Workers AI as JSON Schema, and the check of a request's body against it.

The fields and ranges are those of Cloudflare's model pages (@cf/meta/llama-2-7b-chat-int8, mid-2026). Beyond them, as
its real clients need: content may be null, `raw` may be a string, calls and results of tools may stand in messages, and
`stop` and `tool_choice` are read. Fields that are named nowhere here, and all in `options` but `queueRequest`, are
accepted for compatibility and change nothing: `rejectIfBusy` asks for what happens anyway, an error instead of a wait
without end. A null stands for a field that is not there.

`min_p`, `min_tokens`, `ignore_eos` and `logit_bias` are extensions, with the names and meanings that vLLM and OpenAI
give them. Cloudflare lets `repetition_penalty` be 0, by which no logit can be divided: the service refuses it.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

from jsonschema import Draft202012Validator

from bridge.errors import AiError
from bridge.violations import describe_all

Schema = Mapping[str, Any]

STRING: Final[Schema] = {"type": "string"}
OPTIONAL_STRING: Final[Schema] = {"type": ["string", "null"]}


def object_schema(required: list[str], **properties: Schema) -> Schema:
    """The schema of objects that may have other properties as well."""
    return {"type": "object", "properties": properties, "required": required}


# Alternatives by type alone are not a oneOf: that would list all its violations before the first could be told.
CONTENT: Final[Schema] = {
    "type": ["string", "array", "null"],
    "items": object_schema(["type", "text"], type={"enum": ["text"]}, text=STRING),
}

TOOL_CALL: Final[Schema] = {
    "oneOf": [
        object_schema(["name", "arguments"], id=OPTIONAL_STRING, name=STRING, arguments={"type": ["object", "string"]}),
        object_schema(
            ["function"],
            id=OPTIONAL_STRING,
            function=object_schema(["name", "arguments"], name=STRING, arguments={"type": ["object", "string"]}),
        ),
    ]
}

MESSAGE: Final[Schema] = object_schema(
    ["role", "content"],
    role=STRING,
    content=CONTENT,
    tool_calls={"type": ["array", "null"], "items": TOOL_CALL},
    tool_call_id=OPTIONAL_STRING,
    name=OPTIONAL_STRING,
)

TOOL: Final[Schema] = {
    "oneOf": [
        object_schema(["name"], name=STRING, description=OPTIONAL_STRING, parameters={"type": ["object", "null"]}),
        object_schema(
            ["type", "function"],
            type={"enum": ["function"]},
            function=object_schema(
                ["name"], name=STRING, description=OPTIONAL_STRING, parameters={"type": ["object", "null"]}
            ),
        ),
    ]
}

TOOL_CHOICE: Final[Schema] = {
    "oneOf": [
        {"enum": ["auto", "none", "required"]},
        object_schema(["type", "function"], type={"enum": ["function"]}, function=object_schema(["name"], name=STRING)),
    ]
}

# As OpenAI's: by token id, in decimal digits, since JSON has no other names.
LOGIT_BIAS: Final[Schema] = {
    "type": "object",
    "propertyNames": {"pattern": "^(0|[1-9][0-9]{0,9})$"},
    "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
}

FIELDS: Final[Mapping[str, Schema]] = {
    "raw": {"enum": [True, False, "true", "false"]},
    "stream": {"type": "boolean"},
    "max_tokens": {"type": "integer", "minimum": 1},
    "temperature": {"type": "number", "minimum": 0, "maximum": 5},
    "top_p": {"type": "number", "minimum": 0.001, "maximum": 1},
    "top_k": {"type": "integer", "minimum": 1, "maximum": 50},
    "seed": {"type": "integer", "minimum": 1, "maximum": 9_999_999_999},
    "repetition_penalty": {"type": "number", "minimum": 0, "maximum": 2},
    "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "min_p": {"type": "number", "minimum": 0, "maximum": 1},
    "min_tokens": {"type": "integer", "minimum": 0},
    "ignore_eos": {"type": "boolean"},
    "logit_bias": LOGIT_BIAS,
    "response_format": object_schema(["type"], type={"enum": ["json_object", "json_schema"]}),
    "lora": STRING,
    "options": {"type": "object"},
    "stop": {"type": ["string", "array"], "items": STRING},
    "tools": {"type": "array", "items": TOOL},
    "tool_choice": TOOL_CHOICE,
}

PROMPT_SCHEMA: Final[Schema] = object_schema(["prompt"], prompt={"type": "string", "minLength": 1}, **FIELDS)
MESSAGES_SCHEMA: Final[Schema] = object_schema(["messages"], messages={"type": "array", "items": MESSAGE}, **FIELDS)

_BRANCHES: Final = {
    "prompt": Draft202012Validator(PROMPT_SCHEMA),
    "messages": Draft202012Validator(MESSAGES_SCHEMA),
}


def check_input(body: object) -> dict[str, Any]:
    """Checks that a body is oneOf the two schemas.

    Args:
        body: What the request's JSON says.

    Returns:
        Its fields, without those that are null.

    Raises:
        AiError: It is not, with every violation in its text.
    """
    if not isinstance(body, dict):
        raise AiError("INVALID_REQUEST", describe_all(_BRANCHES["prompt"].iter_errors(body)))
    fields = {name: value for name, value in body.items() if value is not None}
    asked = [branch for name, branch in _BRANCHES.items() if name in fields]
    if len(asked) > 1:
        raise AiError("INVALID_REQUEST", f"oneOf at '/' not met, {len(asked)} matches")
    # The other branch requires what is not there, so this one alone decides whether exactly one matches.
    if not asked or not asked[0].is_valid(fields):
        violations = chain.from_iterable(branch.iter_errors(fields) for branch in _BRANCHES.values())
        raise AiError("INVALID_REQUEST", f"oneOf at '/' not met, 0 matches: {describe_all(violations)}")
    return fields
