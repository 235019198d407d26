"""`POST …/completions`: text that goes on from a prompt, which reaches the model unchanged."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web
from runstream.v1 import text_generation_pb2 as pb

from bridge.auth.account import identify
from bridge.http import sse
from bridge.http.access_log import ACCESS
from bridge.http.body import in_thread_if_long, read_body
from bridge.http.json_text import json_response
from bridge.openai.choices import ChoicePart, generate_choices, generate_choices_stream, usage
from bridge.openai.completion_request import parse_completion
from bridge.openai.identity import Identity
from bridge.openai.logprobs import CompletionLogprobs, prompt_logprobs
from bridge.openai.request import OpenAiInput
from bridge.upstream.finish_reasons import FINISH_REASONS
from bridge.upstream.generation import answer_streamed, stand_in_headers
from bridge.upstream.models import unknown_model_first
from bridge.upstream.rate_limits import USED_UP

Part = pb.RunResponse | pb.RunStreamResponse


async def completions(http_request: web.Request) -> web.StreamResponse:
    """Answers a text completion, whole or streamed.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: The request is wrong, or the service failed before the first part.
    """
    identify(http_request)
    http_request.app[USED_UP].check(http_request)
    openai_input = await _read(http_request)
    http_request[ACCESS].spelling = openai_input.spelling
    model_id = openai_input.request.model
    completion = Completion(openai_input)
    if openai_input.is_streamed:
        parts = generate_choices_stream(http_request, openai_input)
        return await answer_streamed(http_request, model_id, parts, completion.events)
    answers = await generate_choices(http_request, openai_input)
    return json_response(completion.whole(answers), headers=stand_in_headers(model_id, answers[0].served_model))


@unknown_model_first
async def _read(http_request: web.Request) -> OpenAiInput:
    body = await read_body(http_request)
    return await in_thread_if_long(len(body), parse_completion, body, http_request[ACCESS])


class Completion:
    """Writes one answer. Chunks of a stream and whole answers have the same shape.

    Args:
        openai_input: What the client sent.
    """

    def __init__(self, openai_input: OpenAiInput) -> None:
        self._openai_input = openai_input
        self._identity = Identity()
        self._logprobs = [
            CompletionLogprobs(has_token_ids=openai_input.has_token_ids) for _ in range(openai_input.num_choices)
        ]
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
        if len(self._counted) < self._openai_input.num_choices:
            return sse.event(chunk)
        if self._openai_input.has_usage:
            chunk["usage"] = self.usage
        return sse.event(chunk) + sse.DONE

    @property
    def usage(self) -> dict[str, Any]:
        """The token counts of all choices of a stream, once all have ended."""
        return usage(counted for _, counted in sorted(self._counted.items()))

    def _object(self, part: Part, choices: Iterable[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._identity.id,
            "object": "text_completion",
            "created": self._identity.created,
            "model": part.served_model,
            "choices": list(choices),
        }

    def _of_prompt(self, answer: pb.RunResponse) -> dict[str, Any]:
        if not self._openai_input.has_prompt_logprobs:
            return {}
        return {"prompt_logprobs": prompt_logprobs(answer.prompt_logprobs)}

    def _choice(self, index: int, part: Part) -> dict[str, Any]:
        has_logprobs = self._openai_input.request.sampling_params.HasField("top_logprobs")
        # Only where a model of this shape is asked a prompt natively: these routes' own prompts are no template's.
        thought = {"reasoning_content": part.reasoning_content} if part.reasoning_content else {}
        return {
            "text": part.text,
            **thought,
            "index": index,
            "logprobs": self._logprobs[index].add(part.logprobs) if has_logprobs else None,
            "finish_reason": FINISH_REASONS.get(part.finish_reason),
        }
