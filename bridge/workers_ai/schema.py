"""The text-generation input of Workers AI as JSON Schema, and the check of a request's body against it.

The fields, ranges and defaults are those of Cloudflare's model pages (@cf/meta/llama-2-7b-chat-int8, mid-2026),
narrower where the service takes less. Real clients need more. Content may be null, and missing beside tool calls. `raw`
may be a string. Calls and results of tools may stand in messages. `stop` and `tool_choice` are read.
Fields that are named neither here nor in `refused_fields`, and all in `options` but `queueRequest`, are accepted for
compatibility and change nothing: `rejectIfBusy` asks for what happens anyway, an error instead of a wait without end. A
null stands for a field that is not there. Of a key that stands twice in an object the last value counts, as in
JavaScript.

`min_p`, `min_tokens`, `ignore_eos`, `logit_bias` and those of `vllm_fields` are extensions, with the names and meanings
that vLLM and OpenAI give them. Cloudflare lets `repetition_penalty` be 0, by which no logit can be divided, and by next
to nothing neither.

The titles and descriptions are read by people: /ai/models/schema and the OpenAPI document are made of these objects.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

from bridge.errors import AiError
from bridge.validation import refused_fields, vllm_fields
from bridge.validation.validator import SchemaValidator
from bridge.validation.violations import describe_all
from bridge.workers_ai.content_parts import MAX_PARTS, with_parts

Schema = Mapping[str, Any]

MAX_LORA_CHARACTERS: Final = 128
MAX_MESSAGES: Final = 4096
MAX_CALLS: Final = 128
MAX_ROLE_CHARACTERS: Final = 64
MAX_ID_CHARACTERS: Final = 4096
MAX_NAME_CHARACTERS: Final = 1024
MAX_DESCRIPTION_CHARACTERS: Final = 65_536
MAX_STOPS: Final = 8
MAX_STOP_CHARACTERS: Final = 256
MAX_TOOLS: Final = 128
MAX_LOGIT_BIASES: Final = 1024

STRING: Final[Schema] = {"type": "string"}
OPTIONAL_STRING: Final[Schema] = {"type": ["string", "null"]}


def object_schema(required: list[str], **properties: Schema) -> Schema:
    """The schema of objects that may have other properties as well."""
    return {"type": "object", "properties": properties, "required": required}


def described(schema: Schema, description: str, **keywords: Any) -> Schema:
    """A schema with a description for people, and more keywords."""
    return {**schema, **keywords, "description": description}


# Alternatives by type alone are not a oneOf: that would list all its violations before the first could be told.
CONTENT: Final[Schema] = {
    "type": ["string", "array", "null"],
    "maxItems": MAX_PARTS,
    "items": object_schema(["type", "text"], type={"enum": ["text"]}, text=STRING),
    "description": "What is said: a text, or text parts that are joined with nothing between them.",
}

CALL_ID: Final[Schema] = {**OPTIONAL_STRING, "maxLength": MAX_ID_CHARACTERS}
CALLED: Final[Schema] = {
    "name": described(STRING, "The tool's name.", maxLength=MAX_NAME_CHARACTERS),
    "arguments": {"description": "An object, or one written as JSON in a string; what a model wrote wrongly as it is."},
}

# Workers AI's flat spelling, which OpenAI's has under this name: with both, nobody could tell which one counts.
FLAT: Final[Mapping[str, Schema]] = {"function": {"type": "null"}}

TOOL_CALL: Final[Schema] = {
    "oneOf": [
        object_schema(["name"], id=CALL_ID, **CALLED, **FLAT),
        object_schema(["function"], id=CALL_ID, function=object_schema(["name"], **CALLED)),
    ],
    "description": "A call, in Workers AI's spelling or in OpenAI's.",
}

MESSAGE: Final[Schema] = {
    "type": "object",
    "properties": {
        "role": described(
            STRING,
            'Who speaks, as the model\'s chat template knows it: "system", "user", ...',
            maxLength=MAX_ROLE_CHARACTERS,
        ),
        "content": CONTENT,
        "tool_calls": {
            "type": ["array", "null"],
            "maxItems": MAX_CALLS,
            "items": TOOL_CALL,
            "description": "The calls that it made.",
        },
        "tool_call_id": described(CALL_ID, 'For role "tool": the id of the call that this answers.'),
        "name": described(
            OPTIONAL_STRING,
            'For role "tool": the name of the tool that this answers for.',
            maxLength=MAX_NAME_CHARACTERS,
        ),
        "reasoning_content": described(OPTIONAL_STRING, 'For role "assistant": what it thought before.'),
        "reasoning": described(OPTIONAL_STRING, "The same, as vLLM's newer versions call it."),
    },
    # OpenAI's clients leave out what a message that calls tools does not say.
    "if": {"required": ["tool_calls"], "properties": {"tool_calls": {"type": "array", "minItems": 1}}},
    "then": {"required": ["role"]},
    "else": {"required": ["role", "content"]},
}

FUNCTION: Final[Schema] = {
    "name": described(STRING, "The tool's name.", pattern="^[a-zA-Z0-9_.:/-]{1,256}$"),
    "description": described(
        OPTIONAL_STRING, "What it does, for the model to read.", maxLength=MAX_DESCRIPTION_CHARACTERS
    ),
    "parameters": {"type": ["object", "null"], "description": "The JSON Schema of its arguments, an object."},
}

TOOL: Final[Schema] = {
    "oneOf": [
        object_schema(["name"], **FUNCTION, **FLAT),
        object_schema(["type", "function"], type={"enum": ["function"]}, function=object_schema(["name"], **FUNCTION)),
    ],
    "description": "A tool, in Workers AI's spelling or in OpenAI's.",
}

CHOSEN: Final[Schema] = object_schema(
    ["type", "function"],
    type={"enum": ["function"]},
    function=object_schema(["name"], name={**STRING, "maxLength": MAX_NAME_CHARACTERS}),
)
ALLOWED_TOOLS: Final[Schema] = object_schema(
    ["mode", "tools"],
    mode={"enum": ["auto", "required"]},
    tools={"type": "array", "minItems": 1, "maxItems": MAX_TOOLS, "items": CHOSEN},
)

# "any" is what workers-ai-provider says for "required".
TOOL_CHOICE: Final[Schema] = {
    "oneOf": [
        {"enum": ["auto", "none", "required", "any"]},
        CHOSEN,
        object_schema(["type", "name"], type={"enum": ["function"]}, name=STRING, **FLAT),
        object_schema(["type", "allowed_tools"], type={"enum": ["allowed_tools"]}, allowed_tools=ALLOWED_TOOLS),
    ],
    "description": 'Whether tools are called: "auto", "none", "required" (also "any"), the one that must be or those '
    "that may.",
}

# As OpenAI's: by token id, in decimal digits, since JSON has no other names.
LOGIT_BIAS: Final[Schema] = {
    "type": "object",
    "maxProperties": MAX_LOGIT_BIASES,
    "propertyNames": {"pattern": "^(0|[1-9][0-9]{0,9})$"},
    "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
    "description": "What is added to the logits of single tokens, by token id.",
}

STOP: Final[Schema] = {
    "type": ["string", "array"],
    "minLength": 1,
    "maxLength": MAX_STOP_CHARACTERS,
    "maxItems": MAX_STOPS,
    "items": {"type": "string", "minLength": 1, "maxLength": MAX_STOP_CHARACTERS},
    "description": "A text or texts that end the answer where they first appear in it; they are not part of it.",
}

RESPONSE_FORMAT: Final[Schema] = {
    "title": "JSON Mode",
    "type": "object",
    "properties": {
        "type": {"enum": ["json_object", "json_schema"]},
        "json_schema": {
            "type": ["object", "boolean", "null"],
            "description": "The JSON Schema that the answer fits, bare: without a name beside it. Default: any object.",
        },
        "schema": {
            "type": ["object", "boolean", "null"],
            "description": "The same under the name that it has beside `json_object` elsewhere.",
        },
    },
    "required": ["type"],
    "description": "The answer is JSON, and `response` its value. Not together with `stream`.",
}


def _number(kind: str, description: str, minimum: float, maximum: float | None = None, **keywords: Any) -> Schema:
    bounds = {"minimum": minimum} if maximum is None else {"minimum": minimum, "maximum": maximum}
    return {"type": kind, **bounds, **keywords, "description": description}


FIELDS: Final[Mapping[str, Schema]] = {
    "raw": {
        "enum": [True, False, "true", "false"],
        "default": False,
        "description": "Whether the input goes to the model unchanged instead of through its chat template.",
    },
    "stream": {"type": "boolean", "default": False, "description": "Whether the answer comes as server-sent events."},
    "max_tokens": _number("integer", "The most tokens to generate.", 1, default=256),
    "temperature": _number("number", "How random the choice is; 0 takes the most likely token.", 0, 5, default=0.6),
    "top_p": _number("number", "Only the likeliest tokens that have this probability together are chosen.", 0.001, 1),
    "top_k": _number("integer", "Only this many of the likeliest tokens are chosen.", 1, 50),
    "seed": _number("integer", "Makes the answer repeatable.", 1, 9_999_999_999),
    "repetition_penalty": _number("number", "Weakens tokens that stand in prompt or answer.", 0.01, 2),
    "frequency_penalty": _number("number", "Weakens tokens by how often they stand in the answer.", -2, 2),
    "presence_penalty": _number("number", "Weakens tokens that stand in the answer.", -2, 2),
    "min_p": _number("number", "Only tokens at least this many times as likely as the likeliest are chosen.", 0, 1),
    "min_tokens": _number("integer", "The fewest tokens before the answer may end; at most `max_tokens`.", 0),
    "ignore_eos": {
        "type": "boolean",
        "default": False,
        "description": "Whether the model can't end the answer itself.",
    },
    "logit_bias": LOGIT_BIAS,
    "response_format": RESPONSE_FORMAT,
    "lora": described(
        STRING, "The model's LoRA adapter to answer with, by its name.", minLength=1, maxLength=MAX_LORA_CHARACTERS
    ),
    "options": {"type": "object", "description": "Options of the request; only `queueRequest` changes anything."},
    "stop": STOP,
    "tools": {"type": "array", "maxItems": MAX_TOOLS, "items": TOOL, "description": "The tools that may be called."},
    "tool_choice": TOOL_CHOICE,
}

PROMPT: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "description": "The text that the model answers or continues.",
}
MESSAGES: Final[Schema] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_MESSAGES,
    "items": MESSAGE,
    "description": "The messages of a conversation, oldest first.",
}

_ALL: Final[Mapping[str, Schema]] = {**FIELDS, **vllm_fields.FIELDS, **vllm_fields.TEMPLATE_FIELDS}

PROMPT_SCHEMA: Final[Schema] = {
    "title": "Prompt",
    **object_schema(["prompt"], prompt=PROMPT, **_ALL),
}
MESSAGES_SCHEMA: Final[Schema] = {
    "title": "Messages",
    **object_schema(["messages"], messages=MESSAGES, **_ALL, **vllm_fields.CONVERSATION_FIELDS),
}

_BRANCHES: Final = {
    "prompt": SchemaValidator(PROMPT_SCHEMA),
    "messages": SchemaValidator(MESSAGES_SCHEMA),
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
    branches = [branch for name, branch in _BRANCHES.items() if name in fields]
    if len(branches) > 1:
        raise AiError("INVALID_REQUEST", f"oneOf at '/' not met, {len(branches)} matches")
    refused_fields.check(fields, refused_fields.NATIVE_PROMPT if "prompt" in fields else refused_fields.NATIVE)
    if isinstance(messages := fields.get("messages"), list) and len(messages) <= MAX_MESSAGES:
        fields["messages"] = with_parts(messages)
    # The other branch requires what is not there, so this one alone decides whether exactly one matches.
    if not branches or not branches[0].is_valid(fields):
        violations = chain.from_iterable(branch.iter_errors(fields) for branch in _BRANCHES.values())
        raise AiError("INVALID_REQUEST", f"oneOf at '/' not met, 0 matches: {describe_all(violations)}")
    return fields
