"""Whether traces are collected, and where: by a flag of ours, or by the variables that OpenTelemetry defines."""

import os
from typing import Final
from urllib.parse import urlsplit

from tracing.spans import NO_TRACING, Tracing

FLUSH_S: Final = 3.0
"""How long the end of a process waits for its last spans to be taken, in seconds."""

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class TracingError(ValueError):
    """Traces can't be sent as it is asked for; the message says what to change."""


def open_tracing(endpoint: str, service_name: str, max_asked_for_per_s: int) -> Tracing:
    """Begins to send traces, if anybody says where.

    Args:
        endpoint: Where a collector takes OTLP over gRPC, such as http://127.0.0.1:4317. If empty, the environment's
            `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT`; if that is empty too, nothing is
            traced.
        service_name: What the spans are of, unless the environment's `OTEL_SERVICE_NAME` says otherwise.
        max_asked_for_per_s: The most traces in a second that are written because callers ask for them.

    Raises:
        TracingError: The endpoint can't be used, or the packages for it are missing.
    """
    if not _is_wanted(endpoint):
        return NO_TRACING
    if endpoint:
        check_endpoint(endpoint)
    else:
        _check_protocol()
    try:
        from tracing.otlp import OtlpTracing
    except ModuleNotFoundError as error:
        raise TracingError(
            f"traces are to be sent, and {error.name} is missing: pip install -c constraints.txt '.[tracing]', or set "
            "OTEL_SDK_DISABLED=true"
        ) from None
    return OtlpTracing(endpoint, service_name, max_asked_for_per_s)


def check_endpoint(endpoint: str) -> None:
    """Checks the form of an endpoint; an empty one is none.

    Raises:
        TracingError: It has another.
    """
    url = urlsplit(endpoint)
    if endpoint and not (url.scheme in ("http", "https") and url.netloc and url.path in ("", "/")):
        raise TracingError(f"{endpoint!r} is not where OTLP over gRPC is taken: give http://host:4317, or https://")


def _is_wanted(endpoint: str) -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if endpoint:
        return True
    is_none = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    return not is_none and any(os.environ.get(name) for name in _ENDPOINTS)


def _check_protocol() -> None:
    for name in _PROTOCOLS:
        protocol = os.environ.get(name, "") or "grpc"
        if protocol != "grpc":
            raise TracingError(f"{name} is {protocol!r}: only grpc is spoken, which collectors take at port 4317")
