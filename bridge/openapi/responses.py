"""The events that tell of a response."""

from typing import Any, Final

from bridge.openai.responses.answer_schemas import ITEM, LOGPROBS, PART, RESPONSE
from bridge.openapi.answers import JSON, OPENAI_ERROR
from bridge.workers_ai.answer_schemas import COUNT, closed
from bridge.workers_ai.schema import OPTIONAL_STRING, STRING, Schema

_PLACE: Final[dict[str, Any]] = {"item_id": STRING, "output_index": COUNT}
_IN_PART: Final[dict[str, Any]] = {**_PLACE, "content_index": COUNT}

_EVENTS: Final[dict[str, dict[str, Any]]] = {
    **{
        f"response.{kind}": {"response": RESPONSE}
        for kind in ("created", "in_progress", "completed", "incomplete", "failed")
    },
    **{f"response.output_item.{kind}": {"output_index": COUNT, "item": ITEM} for kind in ("added", "done")},
    **{f"response.content_part.{kind}": {**_IN_PART, "part": PART} for kind in ("added", "done")},
    "response.reasoning_text.delta": {**_IN_PART, "delta": STRING},
    "response.reasoning_text.done": {**_IN_PART, "text": STRING},
    "response.output_text.delta": {**_IN_PART, "delta": STRING, "logprobs": LOGPROBS},
    "response.output_text.done": {**_IN_PART, "text": STRING, "logprobs": LOGPROBS},
    "response.function_call_arguments.delta": {**_PLACE, "delta": STRING},
    "response.function_call_arguments.done": {**_PLACE, "name": STRING, "arguments": STRING},
    "error": {
        "code": OPTIONAL_STRING,
        "message": STRING,
        "param": OPTIONAL_STRING,
        "error": OPENAI_ERROR["properties"]["error"],
    },
}


def _event(kind: str, fields: dict[str, Any]) -> Schema:
    payload = closed(type={"const": kind}, sequence_number=COUNT, **fields)
    data = {"type": "string", "contentMediaType": JSON, "contentSchema": payload}
    return closed(event={"const": kind}, data=data)


RESPONSE_EVENTS: Final[Schema] = {
    "description": "Each of the events, of which `response.completed`, `response.incomplete` or `response.failed` is "
    "the last; comments (lines that begin with a colon) keep the connection alive.",
    "anyOf": [{"type": "object", "maxProperties": 0}, *(_event(kind, fields) for kind, fields in _EVENTS.items())],
}
