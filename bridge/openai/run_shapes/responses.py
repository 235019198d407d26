"""The shape of gpt-oss: a prompt is answered natively, messages with a `chat.completion`, `input` with a response."""

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from runstream.v1 import batches_pb2

from bridge.http.access_log import ACCESS
from bridge.http.event_stream import STREAM_FAILURE
from bridge.openai.answer_schemas import CHAT
from bridge.openai.responses.answer import ResponseAnswer
from bridge.openai.responses.answer_schemas import RESPONSE
from bridge.openai.responses.create import fit
from bridge.openai.responses.request import ResponsesInput, to_responses_input
from bridge.openai.responses.schema import RESPONSES_SCHEMA
from bridge.openai.run_shapes.chat import CHAT_SHAPE
from bridge.openai.run_shapes.completion import COMPLETION_SHAPE
from bridge.upstream.generation import answer_streamed, generate, generate_stream
from bridge.workers_ai.answer_schemas import NATIVE_RESULT
from bridge.workers_ai.schema import Schema, object_schema
from bridge.workers_ai.shapes.native import NATIVE_SHAPE
from bridge.workers_ai.shapes.shape import Shape, ShapedInput, Whole

INPUT_SCHEMA: Final[Schema] = {
    "title": "Responses",
    **object_schema(
        ["input"], **{name: field for name, field in RESPONSES_SCHEMA["properties"].items() if name != "model"}
    ),
}


class RunResponsesInput(ResponsesInput):
    """An `input`, which is answered with a response."""

    __slots__ = ()

    @property
    def batch_fault(self) -> str:
        """A batch does not keep what a response tells of its request."""
        return "'/input' is not read in a batch, use '/messages'"

    async def whole(self, http_request: web.Request) -> Whole:
        """Answers with the response."""
        await fit(http_request, self)
        answer = await generate(http_request, self.request)
        return Whole(ResponseAnswer(self, http_request[ACCESS].request_id).whole(answer), answer.served_model)

    async def streamed(self, http_request: web.Request) -> web.StreamResponse:
        """Answers with the events of one, as OpenAI's route does."""
        await fit(http_request, self)
        answer = ResponseAnswer(self, http_request[ACCESS].request_id)
        http_request[STREAM_FAILURE] = answer.failure
        parts = generate_stream(http_request, self.request)
        model_id = self.request.model
        return await answer_streamed(http_request, model_id, parts, answer.events, lambda: answer.has_ended)


class ResponsesShape(Shape):
    """The shape of models that take several kinds of input."""

    @property
    def inputs(self) -> Sequence[Schema]:
        """A prompt or messages in Workers AI's words, or the `input` of OpenAI's responses."""
        return *NATIVE_SHAPE.inputs, INPUT_SCHEMA

    @property
    def outputs(self) -> Sequence[Schema]:
        """The native result, a `chat.completion` or a response."""
        return NATIVE_RESULT, CHAT, RESPONSE

    def read(self, model_id: str, value: object) -> ShapedInput:
        """Reads an input by what it has.

        Raises:
            AiError: It is not what the schema of its kind allows.
        """
        given = {name for name, said in value.items() if said is not None} if isinstance(value, dict) else set[str]()
        if isinstance(value, dict) and "input" in given and not given & {"prompt", "messages"}:
            return RunResponsesInput(*to_responses_input({**value, "model": model_id}))
        shape = COMPLETION_SHAPE if "messages" in given and "prompt" not in given else NATIVE_SHAPE
        return shape.read(model_id, value)

    def result(self, result: batches_pb2.BatchResult) -> dict[str, Any]:
        """The answer of the kind that the item's input asks for."""
        return NATIVE_SHAPE.result(result) if result.is_prompt else CHAT_SHAPE.result(result)


RESPONSES_SHAPE: Final[Shape] = ResponsesShape()
