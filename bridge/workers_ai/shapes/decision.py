"""The shape of models that decide and generate no text: each request is told so."""

from collections.abc import Sequence
from typing import Any

from runstream.v1 import batches_pb2

from bridge.errors import AiError
from bridge.workers_ai.schema import Schema
from bridge.workers_ai.shapes.shape import Shape, ShapedInput

_REFUSED = "answers questions about a state and generates no text: nothing here can stand in for it"


class DecisionShape(Shape):
    """Takes nothing."""

    @property
    def inputs(self) -> Sequence[Schema]:
        """Nothing."""
        return ()

    @property
    def outputs(self) -> Sequence[Schema]:
        """Nothing."""
        return ()

    def read(self, model_id: str, value: object) -> ShapedInput:
        """Refuses any input.

        Raises:
            AiError: Always.
        """
        raise AiError("WEIGHTS_MISSING", f"{model_id} {_REFUSED}")

    def result(self, result: batches_pb2.BatchResult) -> dict[str, Any]:
        """No batch has one.

        Raises:
            AiError: Always.
        """
        raise AiError("WEIGHTS_MISSING", f"it {_REFUSED}")


DECISION_SHAPE: Shape = DecisionShape()
