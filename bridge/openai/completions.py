"""`POST …/completions`: text that goes on from a prompt, which reaches the model unchanged."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web
from runstream.v1 import text_generation_pb2 as pb

from bridge.auth.account import identify
from bridge.http import sse
from bridge.http.json_text import json_response
from bridge.openai.choices import ChoicePart, ask_choices, ask_choices_streamed, usage
from bridge.openai.completion_request import to_completion_question
from bridge.openai.identity import Identity
from bridge.openai.logprobs import CompletionLogprobs, prompt_logprobs
from bridge.openai.question import Question, read_question
from bridge.upstream.asking import answer_streamed, stand_in_headers
from bridge.upstream.finish_reasons import FINISH_REASONS

Part = pb.RunResponse | pb.RunStreamResponse


async def completions(http_request: web.Request) -> web.StreamResponse:
    """Answers a text completion, whole or streamed.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: The request is wrong, or the service failed before the first part.
    """
    identify(http_request)
    question = await read_question(http_request, to_completion_question)
    asked = question.request.model
    completion = Completion(question)
    if question.is_streamed:
        return await answer_streamed(
            http_request, asked, ask_choices_streamed(http_request, question), completion.events
        )
    answers = await ask_choices(http_request, question)
    return json_response(completion.whole(answers), headers=stand_in_headers(asked, answers[0].served_model))


class Completion:
    """Writes one answer. Chunks of a stream and whole answers have the same shape.

    Args:
        question: What was asked.
    """

    def __init__(self, question: Question) -> None:
        self._question = question
        self._identity = Identity()
        self._logprobs = [CompletionLogprobs(has_token_ids=question.has_token_ids) for _ in range(question.num_choices)]
        self._counted: dict[int, pb.Usage] = {}

    def whole(self, answers: list[pb.RunResponse]) -> dict[str, Any]:
        """The body of a whole answer."""
        choices = [{**self._choice(index, answer), **self._of_prompt(answer)} for index, answer in enumerate(answers)]
        return {**self._object(answers[0], choices), "usage": usage(answer.usage for answer in answers)}

    def events(self, choice_part: ChoicePart) -> bytes:
        """The events of one part of one choice, and after the last part of the last choice the end."""
        index, part = choice_part
        chunk = self._object(part, [self._choice(index, part)])
        if not part.finish_reason:
            return sse.event(chunk)
        self._counted[index] = part.usage
        if len(self._counted) < self._question.num_choices:
            return sse.event(chunk)
        if self._question.has_usage:
            chunk["usage"] = usage(counted for _, counted in sorted(self._counted.items()))
        return sse.event(chunk) + sse.DONE

    def _object(self, part: Part, choices: Iterable[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._identity.id,
            "object": "text_completion",
            "created": self._identity.created,
            "model": part.served_model,
            "choices": list(choices),
        }

    def _of_prompt(self, answer: pb.RunResponse) -> dict[str, Any]:
        if not self._question.has_prompt_logprobs:
            return {}
        return {"prompt_logprobs": prompt_logprobs(answer.prompt_logprobs)}

    def _choice(self, index: int, part: Part) -> dict[str, Any]:
        has_logprobs = self._question.request.sampling_params.HasField("top_logprobs")
        return {
            "text": part.text,
            "index": index,
            "logprobs": self._logprobs[index].add(part.logprobs) if has_logprobs else None,
            "finish_reason": FINISH_REASONS.get(part.finish_reason),
        }
