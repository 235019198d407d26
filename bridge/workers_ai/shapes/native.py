"""The native shape: a prompt or messages in, `response`, `tool_calls` and `usage` out."""

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from runstream.v1 import batches_pb2

from bridge.config import CONFIG
from bridge.upstream.generation import answer_streamed, generate, generate_stream
from bridge.workers_ai.answer_schemas import NATIVE_RESULT
from bridge.workers_ai.envelope import native_result
from bridge.workers_ai.events import Events
from bridge.workers_ai.schema import MESSAGES_SCHEMA, PROMPT_SCHEMA, Schema, check_input
from bridge.workers_ai.shapes.shape import Shape, Whole
from bridge.workers_ai.translation import RunInput, is_json, to_run_input

NO_STREAMS: Final = "'/stream' must be false, a batch has no streams"


class NativeInput(RunInput):
    """An input that is answered natively."""

    __slots__ = ()

    @property
    def batch_fault(self) -> str:
        """A batch has no streams."""
        return NO_STREAMS if self.is_streamed else ""

    async def whole(self, http_request: web.Request) -> Whole:
        """Answers with the result's value."""
        answer = await generate(http_request, self.request)
        return Whole(native_result(answer, is_json_mode=is_json(self.request)), answer.served_model)

    async def streamed(self, http_request: web.Request) -> web.StreamResponse:
        """Answers with native events."""
        events = Events(is_padded=http_request.app[CONFIG].pad_events)
        parts = generate_stream(http_request, self.request)
        return await answer_streamed(http_request, self.request.model, parts, events)


class NativeShape(Shape):
    """The shape of classic models, and of those that nobody has said anything else of."""

    @property
    def inputs(self) -> Sequence[Schema]:
        """A prompt or messages."""
        return PROMPT_SCHEMA, MESSAGES_SCHEMA

    @property
    def outputs(self) -> Sequence[Schema]:
        """The native result."""
        return (NATIVE_RESULT,)

    def read(self, model_id: str, value: object) -> NativeInput:
        """Reads an input in Workers AI's words."""
        return NativeInput(*to_run_input(model_id, check_input(value)))

    def result(self, result: batches_pb2.BatchResult) -> dict[str, Any]:
        """The native result."""
        return native_result(result.response, is_json_mode=result.is_json)


NATIVE_SHAPE: Shape = NativeShape()
