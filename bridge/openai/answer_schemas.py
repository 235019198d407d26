"""JSON Schemas of what OpenAI's routes answer. They are closed: a field that is not named here is a mistake."""

from typing import Final

from bridge.workers_ai.answer_schemas import (
    COUNT,
    FINISH_REASON,
    NULL,
    THOUGHT,
    USAGE,
    array_of,
    closed,
    optional,
    or_null,
)
from bridge.workers_ai.schema import OPTIONAL_STRING, STRING, Schema

LOGPROB: Final[Schema] = {"type": "number", "maximum": 0}
LIKELY: Final = closed(token=STRING, logprob=LOGPROB, bytes=array_of({"type": "integer", "minimum": 0, "maximum": 255}))
CHAT_LOGPROBS: Final = closed(
    content=array_of(closed(**LIKELY["properties"], top_logprobs=array_of(LIKELY))), refusal=NULL
)
TEXT_LOGPROBS: Final = closed(
    tokens=array_of(STRING),
    token_logprobs=array_of(LOGPROB),
    top_logprobs=array_of({"type": "object", "additionalProperties": LOGPROB}),
    text_offset=array_of(COUNT),
)

PROMPT_LOGPROBS: Final = array_of(
    or_null(
        {
            "type": "object",
            "additionalProperties": closed(logprob=LOGPROB, rank={"type": ["integer", "null"]}, decoded_token=STRING),
        }
    )
)

FUNCTION: Final = closed(name=STRING, arguments=STRING)
TOOL_CALL: Final = closed(id=STRING, type={"const": "function"}, function=FUNCTION)
REPLY: Final = optional(
    closed(
        role={"const": "assistant"},
        content=OPTIONAL_STRING,
        refusal=NULL,
        tool_calls=array_of(TOOL_CALL),
        reasoning_content=THOUGHT,
    ),
    *("tool_calls", "reasoning_content"),
)
CHOICE: Final = closed(
    index=COUNT,
    finish_reason=FINISH_REASON,
    logprobs=or_null(CHAT_LOGPROBS),
    message=REPLY,
    stop_reason={"type": ["string", "integer", "null"]},
)
CALL_DELTA: Final = optional(
    closed(index=COUNT, id=STRING, type={"const": "function"}, function=optional(FUNCTION, "name")), "id", "type"
)
DELTA: Final = optional(
    closed(role={"const": "assistant"}, content=STRING, reasoning_content=THOUGHT, tool_calls=array_of(CALL_DELTA)),
    *("role", "content", "reasoning_content", "tool_calls"),
)
CHUNK_CHOICE: Final = optional(
    closed(index=COUNT, delta=DELTA, logprobs=CHAT_LOGPROBS, finish_reason=FINISH_REASON), "logprobs", "finish_reason"
)
TEXT_CHOICE: Final = optional(
    closed(
        text=STRING,
        reasoning_content=THOUGHT,
        index=COUNT,
        logprobs=or_null(TEXT_LOGPROBS),
        finish_reason=or_null(FINISH_REASON),
    ),
    "reasoning_content",
)


def _object(name: str, choice: Schema) -> Schema:
    """The fields that chunks and whole answers share."""
    return closed(id=STRING, object={"const": name}, created=COUNT, model=STRING, choices=array_of(choice), usage=USAGE)


def _with_prompt_logprobs(schema: Schema) -> Schema:
    """Whole answers have them where they are asked for."""
    left_out = schema["properties"].keys() - set(schema["required"])
    return optional(closed(**schema["properties"], prompt_logprobs=PROMPT_LOGPROBS), "prompt_logprobs", *left_out)


CHAT: Final = _with_prompt_logprobs(_object("chat.completion", CHOICE))
CHAT_CHUNK: Final = optional(_object("chat.completion.chunk", CHUNK_CHOICE), "usage")
TEXT: Final = _object("text_completion", _with_prompt_logprobs(TEXT_CHOICE))
TEXT_CHUNK: Final = optional(_object("text_completion", TEXT_CHOICE), "usage")
