"""The shape of models between two times: Workers AI's own words in, OpenAI's completions out.

Messages are answered with a `chat.completion`, a prompt with a `text_completion`.
"""

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.openai.answer_schemas import CHAT, TEXT
from bridge.openai.choices import generate_choices, generate_choices_stream
from bridge.openai.completions import Completion
from bridge.openai.run_shapes.chat import CHAT_SHAPE, ChatInput, input_of
from bridge.openai.run_shapes.ending import ended_natively
from bridge.upstream.generation import answer_streamed
from bridge.workers_ai.schema import MESSAGES_SCHEMA, PROMPT_SCHEMA, Schema, check_input
from bridge.workers_ai.shapes.shape import Shape, ShapedInput, Whole
from bridge.workers_ai.translation import to_run_input


class TextInput(ChatInput):
    """A prompt, which is answered with a `text_completion`."""

    __slots__ = ()

    async def whole(self, http_request: web.Request) -> Whole:
        """Answers with one choice."""
        answers = await generate_choices(http_request, self)
        return Whole(Completion(self).whole(answers), answers[0].served_model)

    async def streamed(self, http_request: web.Request) -> web.StreamResponse:
        """Answers with chunks."""
        parts = generate_choices_stream(http_request, self)
        return await answer_streamed(http_request, self.request.model, parts, ended_natively(Completion(self)))


class CompletionShape(Shape):
    """The shape of models that read Workers AI's words and write OpenAI's."""

    @property
    def inputs(self) -> Sequence[Schema]:
        """A prompt or messages, in Workers AI's words."""
        return PROMPT_SCHEMA, MESSAGES_SCHEMA

    @property
    def outputs(self) -> Sequence[Schema]:
        """A completion of either kind."""
        return CHAT, TEXT

    def read(self, model_id: str, value: object) -> ShapedInput:
        """Reads an input in Workers AI's words."""
        read = to_run_input(model_id, check_input(value))
        kind = TextInput if read.request.WhichOneof("input") == "prompt" else ChatInput
        return kind(*input_of(*read))

    def result(self, result: batches_pb2.BatchResult) -> dict[str, Any]:
        """A completion of the kind that the item's input asks for."""
        if result.is_prompt:
            return Completion(input_of(pb.RunRequest())).whole([result.response])
        return CHAT_SHAPE.result(result)


COMPLETION_SHAPE: Final[Shape] = CompletionShape()
