"""What chat completions and text completions take, as JSON Schema, and the check of a body against it.

Names and shapes are OpenAI's, ranges those of Workers AI's own route where it has the field; `top_k`, `min_p`,
`repetition_penalty`, `min_tokens` and `ignore_eos` are vLLM's. A null stands for a field that is not there. Fields in
`WITHOUT_EFFECT`, and those that are named nowhere here, are accepted for compatibility and change nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from jsonschema.protocols import Validator

from bridge.errors import AiError
from bridge.schema import (
    CONTENT,
    FIELDS,
    MESSAGES,
    OPTIONAL_STRING,
    RESPONSE_FORMAT,
    STRING,
    Schema,
    described,
    object_schema,
)
from bridge.schema import MESSAGE as WORKERS_AI_MESSAGE
from bridge.validator import SchemaValidator
from bridge.violations import describe_all

MAX_CHOICES: Final = 8

# What tells OpenAI who asks, what it may keep and how it bills. `verbosity`, `reasoning_effort` and
# `chat_template_kwargs` are for models that reason, which none of the catalog's does. Inside other fields the same goes
# for `include_obfuscation` of `stream_options`, and for `strict`: a schema is always kept to where a form is asked for
# or a call is forced.
WITHOUT_EFFECT: Final = (
    *("user", "safety_identifier", "store", "metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention"),
    *("verbosity", "reasoning_effort", "chat_template_kwargs"),
)

# Each would change the answer, so leaving it unheard would be worse than saying so.
CHAT_REFUSED: Final[Mapping[str, str]] = {
    "functions": "describe the functions in '/tools'",
    "function_call": "use '/tool_choice'",
    "audio": "answers are text",
    "prediction": "leave it out",
    "web_search_options": "models have no access to the web",
    "prompt": "use '/messages', or completions instead of chat/completions",
}
COMPLETION_REFUSED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("messages", "tools", "tool_choice", "response_format"), "use chat/completions"),
    "suffix": "put it into '/prompt' as the model was trained to see it",
}

_SAMPLING: Final = (
    *("max_tokens", "temperature", "top_p", "top_k", "min_p", "min_tokens", "ignore_eos", "logit_bias"),
    *("presence_penalty", "frequency_penalty", "repetition_penalty"),
)

_SHARED: Final[Mapping[str, Schema]] = {
    "model": described(STRING, "The model's id.", minLength=1),
    **{name: FIELDS[name] for name in (*_SAMPLING, "stop", "stream", "lora")},
    "seed": described(
        {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
        "Makes the answer repeatable; of several choices, each has the seed that follows.",
    ),
    "n": described(
        {"type": "integer", "minimum": 1, "maximum": MAX_CHOICES, "default": 1},
        "How many choices the answer has: all, or it is an error.",
    ),
    "stream_options": {
        **object_schema([], include_usage={"type": ["boolean", "null"]}),
        "description": "Whether a stream's last chunk has the token counts; whole answers always have them.",
    },
    **{name: {"description": "Accepted for compatibility, changes nothing."} for name in WITHOUT_EFFECT},
}

# What a part's type must be is checked where its text is read, for a message that says why images are not taken.
PART: Final[Schema] = object_schema(["type"], type=STRING, text=STRING, refusal=STRING)

MESSAGE: Final[Schema] = {
    **WORKERS_AI_MESSAGE,
    "properties": {
        **WORKERS_AI_MESSAGE["properties"],
        "role": {"enum": ["system", "developer", "user", "assistant", "tool"], "description": "Who speaks."},
        "content": {**CONTENT, "items": PART},
        "refusal": described(OPTIONAL_STRING, "What the assistant said instead of an answer."),
        "function_call": {"type": "null"},
        "audio": {"type": "null"},
    },
}

CHAT_SCHEMA: Final[Schema] = object_schema(
    ["model", "messages"],
    messages={**MESSAGES, "items": MESSAGE},
    max_completion_tokens=FIELDS["max_tokens"],
    logprobs={"type": "boolean", "description": "Whether the answer has its tokens' log probabilities."},
    top_logprobs=described(
        {"type": "integer", "minimum": 0, "maximum": 20}, "With `logprobs`: of how many likely tokens at each place."
    ),
    tools=FIELDS["tools"],
    tool_choice=FIELDS["tool_choice"],
    parallel_tool_calls=described(
        {"type": "boolean", "default": True},
        "Whether the answer may call more than one tool; otherwise it is its first call.",
    ),
    response_format={
        **RESPONSE_FORMAT,
        "properties": {
            "type": {"enum": ["text", "json_object", "json_schema"]},
            "json_schema": described(
                RESPONSE_FORMAT["properties"]["json_schema"],
                "A JSON Schema, in OpenAI's envelope of `name` and `schema`, or bare.",
            ),
            "schema": RESPONSE_FORMAT["properties"]["schema"],
        },
        "if": {
            "properties": {"type": {"const": "json_schema"}, "schema": {"type": "null"}},
            "required": ["type"],
        },
        "then": {"properties": {"json_schema": {"type": ["object", "boolean"]}}, "required": ["type", "json_schema"]},
        "description": "The form of the answer's text.",
    },
    modalities={
        "type": "array",
        "maxItems": 8,
        "items": {"enum": ["text"]},
        "description": "What the answer is made of.",
    },
    **_SHARED,
)

COMPLETION_SCHEMA: Final[Schema] = object_schema(
    ["model", "prompt"],
    prompt={
        "type": ["string", "array"],
        "minLength": 1,
        "minItems": 1,
        "maxItems": 1,
        "items": {"type": "string", "minLength": 1},
        "description": "The text that the model continues, alone or the only one in an array.",
    },
    logprobs=described(
        {"type": "integer", "minimum": 0, "maximum": 5},
        "Of how many likely tokens at each place the answer tells the log probabilities.",
    ),
    echo={"enum": [False], "description": "The prompt is never repeated."},
    best_of={"type": "integer", "minimum": 1, "description": "The same as `n`: all choices are answered."},
    **_SHARED,
)

_CHAT: Final = SchemaValidator(CHAT_SCHEMA)
_COMPLETION: Final = SchemaValidator(COMPLETION_SCHEMA)


def check_chat(body: object) -> dict[str, Any]:
    """Checks a body of chat completions.

    Args:
        body: What the request's JSON says.

    Returns:
        Its fields, without those that are null.

    Raises:
        AiError: It is none, with every violation in its text, or asks for what this surface does not have.
    """
    return _check(body, _CHAT, CHAT_REFUSED)


def check_completion(body: object) -> dict[str, Any]:
    """Checks a body of text completions; as `check_chat`."""
    return _check(body, _COMPLETION, COMPLETION_REFUSED)


def _check(body: object, validator: Validator, refused: Mapping[str, str]) -> dict[str, Any]:
    fields = {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else {}
    asked = [f"'/{name}' is not supported, {advice}" for name, advice in refused.items() if fields.get(name)]
    if asked:
        raise AiError("INVALID_REQUEST", ", ".join(asked))
    instance: Any = fields if isinstance(body, dict) else body
    if not validator.is_valid(instance):
        raise AiError("INVALID_REQUEST", describe_all(validator.iter_errors(instance)))
    return fields
