"""The operations of OpenAI's routes, below an account as at Cloudflare and at `/v1` as at OpenAI."""

from collections.abc import Iterator
from typing import Final

from bridge.openai.failures import GATEWAY_KINDS, KINDS
from bridge.openai.responses.schema import RESPONSES_SCHEMA
from bridge.openai.schema import CHAT_SCHEMA, COMPLETION_SCHEMA
from bridge.openapi import answers
from bridge.openapi.answers import EVENTS, JSON, LIKELY, LOGPROB, NULL, OPENAI_ERROR, optional, or_null
from bridge.openapi.operation import ACCOUNT, EVERYWHERE, GENERATING, MODEL, Operation, as_sent
from bridge.openapi.responses import RESPONSE, RESPONSE_EVENTS
from bridge.workers_ai.answer_schemas import COUNT, FINISH_REASON, USAGE, array_of, closed
from bridge.workers_ai.schema import OPTIONAL_STRING, STRING, Schema

STATUSES: Final = frozenset(
    kind.status for kinds in (KINDS, GATEWAY_KINDS) for kind in kinds.values() if kind.status is not None
)

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
    closed(role={"const": "assistant"}, content=OPTIONAL_STRING, refusal=NULL, tool_calls=array_of(TOOL_CALL)),
    "tool_calls",
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
    closed(role={"const": "assistant"}, content=STRING, tool_calls=array_of(CALL_DELTA)),
    *("role", "content", "tool_calls"),
)
CHUNK_CHOICE: Final = optional(
    closed(index=COUNT, delta=DELTA, logprobs=CHAT_LOGPROBS, finish_reason=FINISH_REASON), "logprobs", "finish_reason"
)
TEXT_CHOICE: Final = closed(
    text=STRING, index=COUNT, logprobs=or_null(TEXT_LOGPROBS), finish_reason=or_null(FINISH_REASON)
)
MODEL_ENTRY: Final = closed(id=STRING, object={"const": "model"}, created=COUNT, owned_by=STRING, max_model_len=COUNT)


def _object(name: str, choice: Schema) -> Schema:
    """What chunks and whole answers share."""
    return closed(id=STRING, object={"const": name}, created=COUNT, model=STRING, choices=array_of(choice), usage=USAGE)


def _with_prompt_logprobs(schema: Schema) -> Schema:
    """Whole answers have them where they are asked for."""
    return optional(closed(**schema["properties"], prompt_logprobs=PROMPT_LOGPROBS), "prompt_logprobs")


CHAT: Final = _with_prompt_logprobs(_object("chat.completion", CHOICE))
CHAT_CHUNK: Final = optional(_object("chat.completion.chunk", CHUNK_CHOICE), "usage")
TEXT: Final = _object("text_completion", _with_prompt_logprobs(TEXT_CHOICE))
TEXT_CHUNK: Final = optional(_object("text_completion", TEXT_CHOICE), "usage")
CHAT_EVENTS: Final = answers.events(CHAT_CHUNK, OPENAI_ERROR)
TEXT_EVENTS: Final = answers.events(TEXT_CHUNK, OPENAI_ERROR)


def _operations(base: str, suffix: str, error: Schema, statuses: frozenset[int]) -> Iterator[Operation]:
    for path, name, summary, body, whole, events in (
        ("chat/completions", "chat", "Answers a conversation.", CHAT_SCHEMA, CHAT, CHAT_EVENTS),
        ("completions", "complete", "Goes on from a text.", COMPLETION_SCHEMA, TEXT, TEXT_EVENTS),
        ("responses", "respond", "Answers items; keeps nothing.", RESPONSES_SCHEMA, RESPONSE, RESPONSE_EVENTS),
    ):
        yield Operation(
            method="post",
            path=f"{base}/{path}",
            name=name + suffix,
            tag="OpenAI",
            summary=f"{summary} Whole or, with `stream`, as server-sent events.",
            body=as_sent(body, model=MODEL),
            answers={JSON: whole, EVENTS: events},
            errors=GENERATING | statuses,
            error=error,
        )
    for path, name, summary, answer in (
        ("models", "models", "Lists the models.", closed(object={"const": "list"}, data=array_of(MODEL_ENTRY))),
        ("models/{model}", "model", "Tells about one model.", MODEL_ENTRY),
    ):
        yield Operation(
            path=f"{base}/{path}",
            name=name + suffix,
            tag="OpenAI",
            summary=summary,
            answers={JSON: answer},
            errors=EVERYWHERE | statuses,
            error=error,
        )


OPERATIONS: Final = (
    *_operations("/v1", "", OPENAI_ERROR, STATUSES),
    *_operations(f"{ACCOUNT}/ai/v1", "InAccount", answers.V4_ERROR, frozenset()),
)
