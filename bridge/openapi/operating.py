"""The operations for whoever runs the bridge, and of the document itself."""

from typing import Final

from bridge.openapi.answers import JSON, V4_ERROR
from bridge.openapi.operation import Operation
from bridge.workers_ai.answer_schemas import COUNT, OBJECT, array_of, closed
from bridge.workers_ai.schema import STRING, Schema, described

TAG: Final = "Operation"
STATUS: Final = closed(status=STRING)
BOOLEAN: Final[Schema] = {"type": "boolean"}
MODEL: Final = closed(
    id=STRING,
    description=STRING,
    state={"enum": ["loading", "ready", "weights_missing", "failed", "unloaded"]},
    state_detail=STRING,
    served_model=STRING,
    max_prompt_tokens=COUNT,
    max_completion_tokens=COUNT,
    context_window=COUNT,
    default_max_tokens=COUNT,
    default_max_tokens_streamed=COUNT,
    license=STRING,
    can_call_tools=BOOLEAN,
    answer_shape={"enum": ["native", "completion", "chat", "responses", "guard", "decision", "unspecified"]},
    default_temperature={"type": "number"},
    properties=array_of(STRING),
    retired=STRING,
    replaced_by=STRING,
    parent=STRING,
    lora_adapters=array_of(STRING),
    trials=array_of(
        closed(
            what=STRING,
            way=STRING,
            outcome={"enum": ["used", "slower", "wrong", "failed", "too_long", "untried", "unspecified"]},
            detail=STRING,
            times=array_of(closed(num_rows=COUNT, time_us={"type": "number"})),
        )
    ),
    speculative_method={"enum": ["none", "ngram", "unspecified"]},
    speculative_detail=STRING,
)
MODELS: Final = closed(
    account=STRING,
    needs_token=BOOLEAN,
    grpc=closed(address=STRING, is_tls=BOOLEAN, needs_token=BOOLEAN),
    models=array_of(MODEL),
)

STATUS_DATA: Final = closed(
    time=described({"type": "number"}, "Seconds since 1970."),
    models=closed(entries=array_of(MODEL), problem=STRING),
    metrics=closed(
        is_configured=described(BOOLEAN, "Whether the bridge knows where the service's metrics are."),
        problem=STRING,
        figures={"anyOf": [OBJECT, {"type": "null"}]},
    ),
    bridge=OBJECT,
    recent_requests=described(array_of(OBJECT), "Without what was asked and answered; those of the token's accounts."),
)

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
    Operation(
        path="/",
        name="playground",
        tag=TAG,
        summary="Shows the playground.",
        answers={"text/html": STRING},
        is_open=True,
    ),
    Operation(
        path="/playground/models",
        name="modelsNow",
        tag=TAG,
        summary="Tells what each model takes, and whether it can answer now.",
        answers={JSON: MODELS},
    ),
    Operation(
        path="/status",
        name="statusPage",
        tag=TAG,
        summary="Shows the operator's page.",
        answers={"text/html": STRING},
        is_open=True,
    ),
    Operation(
        path="/status/data",
        name="statusData",
        tag=TAG,
        summary="Tells how service and bridge are doing, and which requests came last.",
        answers={JSON: STATUS_DATA},
    ),
)
