"""Shapes: in whose words a model's requests and answers are on Workers AI's own route.

Classic models take and answer Workers AI's own words, those of 2026 OpenAI's. Each shape reads an input and writes its
answers; the application has them by what the service's catalog says of a model.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from aiohttp import web
from runstream.v1 import batches_pb2, models_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.spelling import Spelling
from bridge.upstream.models import MODELS
from bridge.workers_ai.schema import Schema


class Whole(NamedTuple):
    """A whole answer.

    Attributes:
        result: What stands in the envelope.
        served_model: The model that has answered.
    """

    result: dict[str, Any]
    served_model: str


class ShapedInput(Protocol):
    """The input of one answer, and how it is answered."""

    @property
    def request(self) -> pb.RunRequest:
        """The same in the contract's words."""

    @property
    def batch_fault(self) -> str:
        """The reason why it can't be an item of a batch; empty if it can."""

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is to come in parts."""

    @property
    def spelling(self) -> Spelling:
        """The places of a body that may be found fault with."""

    async def whole(self, http_request: web.Request) -> Whole:
        """Answers a request that is identified.

        Raises:
            AiError: The service refused or failed.
        """

    async def streamed(self, http_request: web.Request) -> web.StreamResponse:
        """Answers with server-sent events.

        Raises:
            AiError: The service failed before the first part.
        """


class Shape(Protocol):
    """Reads inputs, and writes what became of those in a batch."""

    @property
    def inputs(self) -> Sequence[Schema]:
        """The schemas of what it takes, one of these objects."""

    @property
    def outputs(self) -> Sequence[Schema]:
        """The schemas of whole answers, one of these objects."""

    def read(self, model_id: str, value: object) -> ShapedInput:
        """Reads an input as JSON has it.

        Raises:
            AiError: It is not what the shape takes, or asks for what this surface does not have.
        """

    def result(self, result: batches_pb2.BatchResult) -> dict[str, Any]:
        """The answer of an item of a batch, which has one.

        Raises:
            AiError: It is cut, or not in the form that was asked for.
        """


Shapes = dict["models_pb2.AnswerShape.ValueType", Shape]

SHAPES: Final = web.AppKey("shapes", Shapes)


class FoundShape(NamedTuple):
    """In whose words a model is asked.

    Attributes:
        shape: Its shape; the native one if nobody can say.
        failure: Why nobody can; None if the service has.
    """

    shape: Shape
    failure: AiError | None


async def find_shape(http_request: web.Request, model_id: str) -> FoundShape:
    """Finds the shape of a model, of which the service is asked once a minute."""
    shapes = http_request.app[SHAPES]
    try:
        model = await http_request.app[MODELS].get(model_id)
    except AiError as failure:
        return FoundShape(shapes[models_pb2.ANSWER_SHAPE_NATIVE], failure)
    return FoundShape(shape_of(model, shapes), None)


def shape_of(model: models_pb2.Model, shapes: Shapes) -> Shape:
    """The shape of a model; the native one if the service is older than shapes, or newer than this one."""
    return shapes.get(model.answer_shape) or shapes[models_pb2.ANSWER_SHAPE_NATIVE]
