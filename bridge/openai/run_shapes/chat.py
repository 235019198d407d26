"""The shape of models of 2026: OpenAI's chat completions in, a `chat.completion` out."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from aiohttp import web
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.openai.answer_schemas import CHAT
from bridge.openai.chat import completion
from bridge.openai.chat_request import to_chat_input
from bridge.openai.chat_stream import ChatStream
from bridge.openai.choices import generate_choices, generate_choices_stream
from bridge.openai.request import OpenAiInput
from bridge.openai.run_shapes.ending import ended_natively
from bridge.openai.run_shapes.schema import MESSAGES_SCHEMA, PROMPT_SCHEMA, check_run_chat
from bridge.spelling import Spelling
from bridge.upstream.generation import answer_streamed
from bridge.workers_ai.schema import Schema
from bridge.workers_ai.shapes.native import NO_STREAMS
from bridge.workers_ai.shapes.shape import Shape, Whole


class ChatInput(OpenAiInput):
    """An input that is answered by chat completions."""

    __slots__ = ()

    @property
    def batch_fault(self) -> str:
        """A batch has no streams, and one answer to each item, without what nobody remembers to write."""
        if self.is_streamed:
            return NO_STREAMS
        if self.num_choices > 1:
            return "'/n' must be 1, an item of a batch has one answer"
        if self.request.tools and not self.has_parallel_calls:
            return "'/parallel_tool_calls' must be true, an item of a batch tells all its calls"
        params = self.request.sampling_params
        has_logprobs = params.HasField("top_logprobs") or self.has_prompt_logprobs
        return "log probabilities are not told in a batch, leave '/logprobs' out" if has_logprobs else ""

    async def whole(self, http_request: web.Request) -> Whole:
        """Answers with a `chat.completion`."""
        answers = await generate_choices(http_request, self)
        return Whole(completion(self, answers), answers[0].served_model)

    async def streamed(self, http_request: web.Request) -> web.StreamResponse:
        """Answers with the chunks of one."""
        parts = generate_choices_stream(http_request, self)
        return await answer_streamed(http_request, self.request.model, parts, ended_natively(ChatStream(self)))


class ChatShape(Shape):
    """The shape of models that speak OpenAI's words."""

    @property
    def inputs(self) -> Sequence[Schema]:
        """A prompt or messages."""
        return PROMPT_SCHEMA, MESSAGES_SCHEMA

    @property
    def outputs(self) -> Sequence[Schema]:
        """A `chat.completion`."""
        return (CHAT,)

    def read(self, model_id: str, value: object) -> ChatInput:
        """Reads an input in OpenAI's words."""
        return ChatInput(*to_chat_input({**check_run_chat(value), "model": model_id}))

    def result(self, result: batches_pb2.BatchResult) -> dict[str, Any]:
        """A `chat.completion`."""
        return completion(input_of(pb.RunRequest()), [result.response])


def input_of(request: pb.RunRequest, is_streamed: bool = False, spelling: Spelling = MappingProxyType({})) -> ChatInput:
    """Writes the answer of a request that was no chat completion: one choice, and all of its calls."""
    return ChatInput(
        request,
        num_choices=1,
        is_streamed=is_streamed,
        has_usage=False,
        has_parallel_calls=True,
        has_token_ids=False,
        spelling=spelling,
    )


CHAT_SHAPE: Shape = ChatShape()
