"""The operations for whoever runs the bridge, and of the document itself."""

from typing import Final

from bridge.openapi.answers import JSON, V4_ERROR
from bridge.openapi.operation import Operation
from bridge.workers_ai.answer_schemas import OBJECT, closed
from bridge.workers_ai.schema import STRING

TAG: Final = "Operation"
STATUS: Final = closed(status=STRING)

OPERATIONS: Final = (
    Operation(
        path="/healthz",
        name="healthz",
        tag=TAG,
        summary="Says that the process lives.",
        answers={JSON: STATUS},
        is_open=True,
    ),
    Operation(
        path="/readyz",
        name="readyz",
        tag=TAG,
        summary="Says whether the service behind the bridge can answer.",
        answers={JSON: STATUS},
        error={"anyOf": [closed(status=STRING, reason=STRING), V4_ERROR]},
        is_open=True,
    ),
    Operation(
        path="/metrics",
        name="metrics",
        tag=TAG,
        summary="Tells the metrics, for Prometheus.",
        answers={"text/plain": STRING},
        is_open=True,
    ),
    Operation(
        path="/openapi.json",
        name="openapi",
        tag=TAG,
        summary="Tells this document.",
        answers={JSON: OBJECT},
        is_open=True,
    ),
    Operation(
        path="/docs",
        name="docs",
        tag=TAG,
        summary="Shows this document.",
        answers={"text/html": STRING},
        is_open=True,
    ),
)
