"""The shape of gpt-oss: a prompt is answered natively, messages with a `chat.completion`."""

from collections.abc import Sequence
from typing import Any, Final

from runstream.v1 import batches_pb2

from bridge.errors import AiError
from bridge.openai.answer_schemas import CHAT
from bridge.openai.run_shapes.chat import CHAT_SHAPE
from bridge.openai.run_shapes.completion import COMPLETION_SHAPE
from bridge.workers_ai.answer_schemas import NATIVE_RESULT
from bridge.workers_ai.schema import Schema
from bridge.workers_ai.shapes.native import NATIVE_SHAPE
from bridge.workers_ai.shapes.shape import Shape, ShapedInput


class ResponsesShape(Shape):
    """The shape of models that take several kinds of input."""

    @property
    def inputs(self) -> Sequence[Schema]:
        """A prompt or messages, in Workers AI's words."""
        return NATIVE_SHAPE.inputs

    @property
    def outputs(self) -> Sequence[Schema]:
        """The native result, or a `chat.completion`."""
        return NATIVE_RESULT, CHAT

    def read(self, model_id: str, value: object) -> ShapedInput:
        """Reads an input by what it has.

        Raises:
            AiError: It is not what the schema allows, or is one of OpenAI's responses.
        """
        if isinstance(value, dict) and value.get("input") is not None and not value.keys() & {"prompt", "messages"}:
            raise AiError("INVALID_REQUEST", "'/input' is not read on this route, use '/messages' or /ai/v1/responses")
        shape = COMPLETION_SHAPE if isinstance(value, dict) and value.get("messages") is not None else NATIVE_SHAPE
        return shape.read(model_id, value)

    def result(self, result: batches_pb2.BatchResult) -> dict[str, Any]:
        """The answer of the kind that the item's input asks for."""
        return NATIVE_SHAPE.result(result) if result.is_prompt else CHAT_SHAPE.result(result)


RESPONSES_SHAPE: Final[Shape] = ResponsesShape()
