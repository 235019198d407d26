"""The service's gRPC errors as the bridge's own."""

from collections.abc import Mapping
from typing import Final

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from bridge.errors import RULES, AiError
from bridge.upstream.field_paths import in_the_clients_words, to_json_pointer
from logs.clipping import clipped

ERROR_DOMAIN: Final = "runstream"

# For statuses without an ErrorInfo: those that gRPC itself makes.
REASON_OF_STATUS: Final[Mapping[grpc.StatusCode, str]] = {
    grpc.StatusCode.UNAVAILABLE: "MODEL_NOT_READY",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "BODY_TOO_LARGE",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
}

# What gRPC's server says when it takes no more calls; of a message that is too large it says how large.
_TOO_MANY_CALLS: Final = ("Too many pending requests", "Concurrent RPC limit exceeded")

# What becomes of a call behind Envoy, and behind Ray Serve, whose service has died.
_LOST: Final = ("RST_STREAM", "The actor died", "The task may or may not have been executed on the actor")

# What gRPC ends calls with that the service has not taken in time, and those of a server that stops.
NOT_TAKEN: Final = "The model service ended the call before it was answered; it is too busy, or stopping."

UNREACHABLE: Final = "The model service can't be reached; it may be starting or stopping."


def from_rpc(error: grpc.aio.AioRpcError, model_id: str) -> AiError:
    """Translates a failed call of the service.

    Args:
        error: What the call raised.
        model_id: The model that was asked for.
    """
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # an AioRpcError has what it needs of a call
    info = _error_info(status) if status else None
    if info is None or info.reason not in RULES:
        return _of_grpc(error.code(), error.details() or "")
    if info.reason == "MODEL_NOT_FOUND":
        return AiError(info.reason, f"No such model {clipped(model_id)} or task")
    field = _field(status)
    description = in_the_clients_words(error.details() or "", field)
    return AiError(info.reason, description, _retry_after_s(status), to_json_pointer(field) if field else "")


def _of_grpc(code: grpc.StatusCode, details: str) -> AiError:
    """The statuses with which gRPC itself ends a call."""
    is_lost = code is grpc.StatusCode.INTERNAL and any(words in details for words in _LOST)
    if code is grpc.StatusCode.CANCELLED or is_lost:
        return AiError("MODEL_NOT_READY", NOT_TAKEN)
    if details.startswith(_TOO_MANY_CALLS):
        return AiError("QUEUE_FULL")
    reason = REASON_OF_STATUS.get(code, "INTERNAL")
    return AiError(reason, UNREACHABLE if reason == "MODEL_NOT_READY" else details)


def _error_info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo | None:
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
            return info
    return None


def _field(status: status_pb2.Status | None) -> str:
    """The first field that the service finds fault with, in the contract's words; empty if it names none."""
    request = error_details_pb2.BadRequest()
    for detail in status.details if status else ():
        if detail.Unpack(request) and request.field_violations:
            return str(request.field_violations[0].field)
    return ""


def _retry_after_s(status: status_pb2.Status | None) -> float | None:
    retry = error_details_pb2.RetryInfo()
    for detail in status.details if status else ():
        if detail.Unpack(retry):
            return float(retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)
    return None
