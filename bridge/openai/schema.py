"""The JSON Schema of what chat completions and text completions take, and the check of a body against it.

Names and shapes are OpenAI's. Ranges are those of Workers AI's own route where it has the field. `top_k`, `min_p`,
`repetition_penalty`, `min_tokens`, `ignore_eos` and those of `vllm_fields` are vLLM's. A null stands for a field that
is not there. Fields in `WITHOUT_EFFECT`, and those that are named neither here nor in `refused_fields`, are accepted
for compatibility and change nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from jsonschema.protocols import Validator

from bridge.errors import AiError
from bridge.validation import refused_fields, vllm_fields
from bridge.validation.refused_fields import Refused
from bridge.validation.validator import SchemaValidator
from bridge.validation.violations import describe_all
from bridge.workers_ai.schema import (
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
from bridge.workers_ai.schema import MESSAGE as WORKERS_AI_MESSAGE

MAX_CHOICES: Final = 8
# Fewer than over gRPC: each is a value of the body, which may have `MAX_VALUES`.
MAX_PROMPT_TOKENS: Final = 65_000

# What tells OpenAI who asks, what it may keep and how it bills. `verbosity` is for models that
# were trained to keep to it, which none here was. Of vLLM's, two tell who asks and two are for beam search alone. The
# others are for media and for how an answer is cut into chunks. Inside other fields the same goes for
# `include_obfuscation` of `stream_options`, and for `strict`: a schema is always kept to where a form is asked for or a
# call is forced.
WITHOUT_EFFECT: Final = (
    *("user", "safety_identifier", "store", "metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention"),
    "verbosity",
    *("request_id", "session_id", "length_penalty", "early_stopping", "spaces_between_special_tokens"),
    *("mm_processor_kwargs", "media_io_kwargs", "return_mm_kwargs", "return_token_offsets"),
    *("routed_experts_prompt_start", "stream_interval", "guided_decoding_backend", "prompt_cache_options"),
)

_SAMPLING: Final = (
    *("max_tokens", "temperature", "top_p", "top_k", "min_p", "min_tokens", "ignore_eos", "logit_bias"),
    *("presence_penalty", "frequency_penalty", "repetition_penalty"),
)

SHARED: Final[Mapping[str, Schema]] = {
    "model": described(STRING, "The model's id.", minLength=1),
    **{name: FIELDS[name] for name in (*_SAMPLING, "stop", "stream", "lora")},
    **vllm_fields.FIELDS,
    "top_k": described(
        {"type": "integer", "minimum": -1},
        "Only this many of the likeliest tokens are chosen; 0 and -1 are no limit.",
    ),
    "top_p": described(
        {"type": "number", "minimum": 0, "maximum": 1},
        "Only the likeliest tokens that have this probability together are chosen; 0 is the likeliest alone.",
    ),
    "prompt_logprobs": described(
        {"type": "integer", "minimum": 0, "maximum": 20},
        "Of how many likely tokens at each place of the prompt log probabilities are told; not in a stream.",
    ),
    "return_tokens_as_token_ids": {
        "type": "boolean",
        "default": False,
        "description": 'Whether log probabilities name tokens by their ids, as "token_id:5".',
    },
    "seed": described(
        {"type": "integer"},
        "Makes the answer repeatable; of several choices, each has the seed that follows. Seeds that are equal modulo "
        "2^64 are one.",
    ),
    "n": described(
        {"type": "integer", "minimum": 1, "maximum": MAX_CHOICES, "default": 1},
        "How many choices the answer has: all, or it is an error.",
    ),
    "stream_options": {
        **object_schema(
            [], include_usage={"type": ["boolean", "null"]}, continuous_usage_stats={"enum": [False, None]}
        ),
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
    **vllm_fields.CONVERSATION_FIELDS,
    **vllm_fields.TEMPLATE_FIELDS,
    **SHARED,
)

COMPLETION_SCHEMA: Final[Schema] = object_schema(
    ["model", "prompt"],
    prompt={
        "type": ["string", "array"],
        "minLength": 1,
        "minItems": 1,
        "maxItems": MAX_PROMPT_TOKENS,
        "description": "What the model continues: a text or token ids, alone or the only ones in an array.",
    },
    logprobs=described(
        {"type": "integer", "minimum": 0, "maximum": 5},
        "Of how many likely tokens at each place the answer tells the log probabilities.",
    ),
    best_of={"type": "integer", "minimum": 1, "description": "The same as `n`: all choices are answered."},
    **SHARED,
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
    return _check(body, _CHAT, refused_fields.CHAT)


def check_completion(body: object) -> dict[str, Any]:
    """Checks a body of text completions; as `check_chat`."""
    return _check(body, _COMPLETION, refused_fields.COMPLETION)


def _check(body: object, validator: Validator, refused: Refused) -> dict[str, Any]:
    fields = {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else {}
    refused_fields.check(fields, refused)
    instance: Any = fields if isinstance(body, dict) else body
    if not validator.is_valid(instance):
        raise AiError("INVALID_REQUEST", describe_all(validator.iter_errors(instance)))
    return fields
