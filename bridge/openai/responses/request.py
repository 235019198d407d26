"""From the JSON of `responses` to a `RunRequest`, and what of it the answer tells again."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.http.access_log import Access
from bridge.http.body import json_errors, parse_json
from bridge.openai.request import model_id_of
from bridge.openai.responses.input_items import read_input
from bridge.openai.responses.schema import LOGPROBS, check_responses
from bridge.spelling import Spelling
from bridge.workers_ai.translation import to_request, to_response_format

# What the other routes, and so the service's words, call other than this one.
SPELLING: Final[Spelling] = {
    "/messages": "/input",
    "/max_tokens": "/max_output_tokens",
    "/reasoning_effort": "/reasoning/effort",
    "/response_format": "/text/format",
    "/response_format/json_schema": "/text/format/schema",
}

_ECHOED: Final = ("instructions", "max_output_tokens", "max_tool_calls", "prompt_cache_key", "safety_identifier")


class ResponsesInput(NamedTuple):
    """The input of one response.

    Attributes:
        request: The call of the service.
        is_streamed: Whether the answer is to come in events.
        is_truncated: Whether a prompt that is too long is to lose its beginning.
        has_parallel_calls: Whether the answer may call more than one tool.
        has_logprobs: Whether its text is to have log probabilities.
        echoed: What of the request stands in the response again.
        spelling: Where the body has what may be found fault with.
    """

    request: pb.RunRequest
    is_streamed: bool
    is_truncated: bool
    has_parallel_calls: bool
    has_logprobs: bool
    echoed: Mapping[str, Any]
    spelling: Spelling


@json_errors
def parse_responses(body: bytes, access: Access) -> ResponsesInput:
    """Reads what a request for a response says.

    Args:
        body: JSON, whatever the request's content type says.
        access: Is told the model's id, also if the rest of the body is refused.

    Raises:
        AiError: It is not JSON, not what the schema allows, or asks for what this surface does not have.
    """
    value = parse_json(body)
    access.model_id = model_id_of(value)
    return to_responses_input(value)


def to_responses_input(value: object) -> ResponsesInput:
    """Reads a body as JSON has it.

    Raises:
        AiError: It is not what the schema allows, or asks for what this surface does not have.
    """
    fields = check_responses(value)
    messages, spelling = read_input(fields)
    try:
        request, spelled = to_request(fields["model"], _as_chat(fields), _response_format(fields))
    except AiError as error:
        raise error.respelled({**SPELLING, **_spelling_of_choice(fields)}) from None
    request.conversation.messages.extend(messages)
    request.reasoning_effort = fields.get("reasoning", {}).get("effort") or ""
    has_logprobs = LOGPROBS in fields.get("include", ())
    if has_logprobs:
        request.sampling_params.top_logprobs = int(fields.get("top_logprobs", 0))
    elif fields.get("top_logprobs"):
        raise AiError("INVALID_REQUEST", f"'/top_logprobs' needs '{LOGPROBS}' in '/include'")
    return ResponsesInput(
        request,
        is_streamed=fields.get("stream", False),
        is_truncated=fields.get("truncation") == "auto",
        has_parallel_calls=fields.get("parallel_tool_calls", True),
        has_logprobs=has_logprobs,
        echoed=_echoed(fields),
        spelling={**SPELLING, **spelling, **spelled},
    )


def _as_chat(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that all routes have, as the others call them."""
    renamed = dict(fields)
    if "max_output_tokens" in fields:
        renamed["max_tokens"] = fields["max_output_tokens"]
    choice = fields.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] == "allowed_tools":
        tools = [{"type": "function", "function": tool} for tool in choice["tools"]]
        renamed["tool_choice"] = {"type": "allowed_tools", "allowed_tools": {"mode": choice["mode"], "tools": tools}}
    return renamed


def _spelling_of_choice(fields: dict[str, Any]) -> Spelling:
    choice = fields.get("tool_choice")
    tools = choice.get("tools", ()) if isinstance(choice, dict) else ()
    chat = "/tool_choice/allowed_tools/tools"
    return {f"{chat}/{index}/function": f"/tool_choice/tools/{index}" for index in range(len(tools))}


def _response_format(fields: dict[str, Any]) -> pb.ResponseFormat | None:
    text_format = fields.get("text", {}).get("format") or {"type": "text"}
    if text_format["type"] == "json_schema":
        return to_response_format({"type": "json_schema", "json_schema": text_format["schema"]})
    if text_format.get("schema") is not None:
        raise AiError("INVALID_REQUEST", f"'/text/format' has a schema, but its type is '{text_format['type']}'")
    return to_response_format(text_format) if text_format["type"] == "json_object" else None


def _echoed(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that the response repeats, with what stands for one that is not there."""
    text, reasoning = fields.get("text", {}), fields.get("reasoning", {})
    return {
        **{name: fields.get(name) for name in _ECHOED},
        "metadata": fields.get("metadata", {}),
        "parallel_tool_calls": fields.get("parallel_tool_calls", True),
        "reasoning": {"effort": reasoning.get("effort"), "summary": None},
        "temperature": fields.get("temperature"),
        "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity") or "medium"},
        "tool_choice": fields.get("tool_choice", "auto"),
        "tools": fields.get("tools", []),
        "top_logprobs": fields.get("top_logprobs", 0),
        "top_p": fields.get("top_p"),
        "truncation": fields.get("truncation", "disabled"),
        "user": fields.get("user"),
    }
