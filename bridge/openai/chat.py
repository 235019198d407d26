"""`POST …/chat/completions`: from the request's bytes to the answer's."""

from typing import Any

from aiohttp import web
from runstream.v1 import text_generation_pb2 as pb

from bridge.auth.account import identify
from bridge.http.json_text import json_response
from bridge.openai.chat_request import to_chat_question
from bridge.openai.chat_stream import ChatStream
from bridge.openai.choices import ask_choices, ask_choices_streamed, usage
from bridge.openai.identity import Identity
from bridge.openai.logprobs import chat_logprobs, prompt_logprobs
from bridge.openai.question import Question, read_question
from bridge.upstream.asking import answer_streamed, stand_in_headers
from bridge.upstream.finish_reasons import FINISH_REASONS


async def chat_completions(http_request: web.Request) -> web.StreamResponse:
    """Answers a chat completion, whole or streamed.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: The request is wrong, or the service failed before the first part.
    """
    identify(http_request)
    question = await read_question(http_request, to_chat_question)
    asked = question.request.model
    if question.is_streamed:
        stream = ChatStream(question)
        return await answer_streamed(http_request, asked, ask_choices_streamed(http_request, question), stream.events)
    answers = await ask_choices(http_request, question)
    return json_response(_completion(question, answers), headers=stand_in_headers(asked, answers[0].served_model))


def _completion(question: Question, answers: list[pb.RunResponse]) -> dict[str, Any]:
    identity = Identity()
    of_prompt = {"prompt_logprobs": prompt_logprobs(answers[0].prompt_logprobs)} if question.has_prompt_logprobs else {}
    return {
        "id": identity.id,
        "object": "chat.completion",
        "created": identity.created,
        "model": answers[0].served_model,
        "choices": [_choice(index, question, answer) for index, answer in enumerate(answers)],
        "usage": usage(answer.usage for answer in answers),
        **of_prompt,
    }


def _choice(index: int, question: Question, answer: pb.RunResponse) -> dict[str, Any]:
    has_logprobs = question.request.sampling_params.HasField("top_logprobs")
    logprobs = chat_logprobs(answer.logprobs, has_token_ids=question.has_token_ids) if has_logprobs else None
    return {
        "index": index,
        "finish_reason": FINISH_REASONS[answer.finish_reason],
        "logprobs": logprobs,
        "message": _message(question, answer),
        "stop_reason": _stop_reason(answer),
    }


def _stop_reason(answer: pb.RunResponse) -> str | int | None:
    """The text or the token that ended an answer, if one that was asked for did."""
    if answer.HasField("matched_stop_token_id"):
        return answer.matched_stop_token_id
    return answer.matched_stop if answer.HasField("matched_stop") else None


def _message(question: Question, answer: pb.RunResponse) -> dict[str, Any]:
    calls = answer.tool_calls if question.has_parallel_calls else answer.tool_calls[:1]
    if not calls:
        return {"role": "assistant", "content": answer.text, "refusal": None}
    tool_calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
        for call in calls
    ]
    return {"role": "assistant", "content": answer.text or None, "refusal": None, "tool_calls": tool_calls}
