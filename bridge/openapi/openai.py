"""The operations of OpenAI's routes, below an account as at Cloudflare and at `/v1` as at OpenAI."""

from collections.abc import Iterator
from typing import Final

from bridge.openai.answer_schemas import CHAT, CHAT_CHUNK, TEXT, TEXT_CHUNK
from bridge.openai.failures import GATEWAY_KINDS, KINDS
from bridge.openai.responses.answer_schemas import RESPONSE
from bridge.openai.responses.schema import RESPONSES_SCHEMA
from bridge.openai.schema import CHAT_SCHEMA, COMPLETION_SCHEMA
from bridge.openapi import answers
from bridge.openapi.answers import EVENTS, JSON, OPENAI_ERROR
from bridge.openapi.operation import ACCOUNT, EVERYWHERE, GENERATING, MODEL, Operation, as_sent
from bridge.openapi.responses import RESPONSE_EVENTS
from bridge.workers_ai.answer_schemas import COUNT, array_of, closed
from bridge.workers_ai.schema import OPTIONAL_STRING, STRING, Schema

STATUSES: Final = frozenset(
    kind.status for kinds in (KINDS, GATEWAY_KINDS) for kind in kinds.values() if kind.status is not None
)

MODEL_ENTRY: Final = closed(
    id=STRING, object={"const": "model"}, created=COUNT, owned_by=STRING, max_model_len=COUNT, parent=OPTIONAL_STRING
)
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
