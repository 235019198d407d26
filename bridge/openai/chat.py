"""`POST …/chat/completions`: from the request's bytes to the answer's."""

from typing import Any

from aiohttp import web
from runstream.v1 import text_generation_pb2 as pb

from bridge.auth.account import identify
from bridge.http.access_log import ACCESS
from bridge.http.body import in_thread_if_long, read_body
from bridge.http.json_text import json_response
from bridge.openai.chat_request import parse_chat
from bridge.openai.chat_stream import ChatStream
from bridge.openai.choices import generate_choices, generate_choices_stream, usage
from bridge.openai.identity import Identity
from bridge.openai.logprobs import chat_logprobs, prompt_logprobs
from bridge.openai.request import OpenAiInput
from bridge.upstream.finish_reasons import FINISH_REASONS
from bridge.upstream.generation import answer_streamed, stand_in_headers
from bridge.upstream.models import unknown_model_first
from bridge.upstream.rate_limits import USED_UP


async def chat_completions(http_request: web.Request) -> web.StreamResponse:
    """Answers a chat completion, whole or streamed.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: The request is wrong, or the service failed before the first part.
    """
    identify(http_request)
    http_request.app[USED_UP].check(http_request)
    openai_input = await _read(http_request)
    http_request[ACCESS].spelling = openai_input.spelling
    model_id = openai_input.request.model
    if openai_input.is_streamed:
        parts = generate_choices_stream(http_request, openai_input)
        return await answer_streamed(http_request, model_id, parts, ChatStream(openai_input).events)
    answers = await generate_choices(http_request, openai_input)
    headers = stand_in_headers(model_id, answers[0].served_model)
    return json_response(completion(openai_input, answers), headers=headers)


@unknown_model_first
async def _read(http_request: web.Request) -> OpenAiInput:
    body = await read_body(http_request)
    return await in_thread_if_long(len(body), parse_chat, body, http_request[ACCESS])


def completion(openai_input: OpenAiInput, answers: list[pb.RunResponse]) -> dict[str, Any]:
    """A whole answer, a `chat.completion`."""
    identity = Identity()
    written = {
        "id": identity.id,
        "object": "chat.completion",
        "created": identity.created,
        "model": answers[0].served_model,
        "choices": [_choice(index, openai_input, answer) for index, answer in enumerate(answers)],
        "usage": usage(answer.usage for answer in answers),
    }
    if openai_input.has_prompt_logprobs:
        written["prompt_logprobs"] = prompt_logprobs(answers[0].prompt_logprobs)
    return written


def _choice(index: int, openai_input: OpenAiInput, answer: pb.RunResponse) -> dict[str, Any]:
    has_logprobs = openai_input.request.sampling_params.HasField("top_logprobs")
    logprobs = chat_logprobs(answer.logprobs, has_token_ids=openai_input.has_token_ids) if has_logprobs else None
    return {
        "index": index,
        "finish_reason": FINISH_REASONS[answer.finish_reason],
        "logprobs": logprobs,
        "message": _message(openai_input, answer),
        "stop_reason": _stop_reason(answer),
    }


def _stop_reason(answer: pb.RunResponse) -> str | int | None:
    """The text or the token that ended an answer, if one that was asked for did."""
    if answer.HasField("matched_stop_token_id"):
        return answer.matched_stop_token_id
    return answer.matched_stop if answer.HasField("matched_stop") else None


def _message(openai_input: OpenAiInput, answer: pb.RunResponse) -> dict[str, Any]:
    calls = answer.tool_calls if openai_input.has_parallel_calls else answer.tool_calls[:1]
    thought = {"reasoning_content": answer.reasoning_content} if answer.reasoning_content else {}
    if not calls:
        return {"role": "assistant", "content": answer.text, "refusal": None, **thought}
    tool_calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
        for call in calls
    ]
    return {"role": "assistant", "content": answer.text or None, "refusal": None, "tool_calls": tool_calls, **thought}
