"""Every error that a call of the service can end with.

    RunstreamError
    ├── InvalidRequestError            INVALID_REQUEST
    │   ├── ContextWindowExceededError CONTEXT_WINDOW_EXCEEDED
    │   ├── UnsatisfiableFormatError   FORMAT_UNSATISFIABLE
    │   └── LoraUnsupportedError       LORA_UNSUPPORTED
    ├── ModelNotFoundError             MODEL_NOT_FOUND
    ├── WeightsMissingError            WEIGHTS_MISSING
    ├── ModelNotReadyError             MODEL_NOT_READY         has retry_after_s
    ├── QueueFullError                 QUEUE_FULL              has retry_after_s
    ├── RateLimitedError               RATE_LIMITED            has retry_after_s
    ├── DeadlineExceededError          DEADLINE_EXCEEDED       also at the client's own deadline
    ├── EngineFailedError              ENGINE_FAILED
    ├── InternalError                  INTERNAL
    ├── UnauthenticatedError           UNAUTHENTICATED
    ├── PermissionDeniedError          PERMISSION_DENIED
    ├── BatchNotFoundError             BATCH_NOT_FOUND
    ├── BatchesDisabledError           BATCHES_DISABLED
    ├── BatchItemCancelledError        CANCELLED               only of an item of a batch
    ├── UnreachableError               no reason: nothing answers there, or the connection broke
    ├── MessageTooLargeError           no reason: a message of more than 16 MiB
    ├── CallCancelledError             no reason: the call was cancelled
    └── ClientClosedError              no reason: the client was closed before the call

The second column is the `reason` that the service gives, as `ErrorReason` in errors.proto lists them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from runstream.connection_failures import advised

DOMAIN: Final = "runstream"
DETAILS_KEY: Final = "grpc-status-details-bin"
REQUEST_ID_KEY: Final = "x-runstream-request-id"


class RunstreamError(Exception):
    """A call that has failed.

    Attributes:
        message: What is wrong and what to change, for a person to read.
        reason: The stable reason that a program can test, such as "QUEUE_FULL"; empty for a failure of gRPC's own.
        code: The status of the call.
        metadata: What is dynamic in the message, by name.
        field: The field at fault, in the contract's words, such as "sampling_params.top_p"; empty if none is.
        retry_after_s: After how many seconds another attempt may succeed; None if the service does not say.
        request_id: The id under which the service's log has the request; empty if it has none.
    """

    default_reason: ClassVar[str] = ""
    default_code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        code: grpc.StatusCode | None = None,
        metadata: Mapping[str, str] | None = None,
        field: str = "",
        retry_after_s: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = self.default_reason if reason is None else reason
        self.code = self.default_code if code is None else code
        self.metadata = dict(metadata or {})
        self.field = field
        self.retry_after_s = retry_after_s
        self.request_id = request_id


class InvalidRequestError(RunstreamError):
    """A field is missing, out of range, or does not go together with another: `field` tells which."""

    default_reason = "INVALID_REQUEST"
    default_code = grpc.StatusCode.INVALID_ARGUMENT


class ContextWindowExceededError(InvalidRequestError):
    """The prompt, or the prompt and `max_tokens` together, have more tokens than fit."""

    default_reason = "CONTEXT_WINDOW_EXCEEDED"


class UnsatisfiableFormatError(InvalidRequestError):
    """No completion can have the form that was asked for, or this one does not."""

    default_reason = "FORMAT_UNSATISFIABLE"


class LoraUnsupportedError(InvalidRequestError):
    """A LoRA adapter is asked for, and the model that answers has none."""

    default_reason = "LORA_UNSUPPORTED"


class ModelNotFoundError(RunstreamError):
    """The catalog does not name the model."""

    default_reason = "MODEL_NOT_FOUND"
    default_code = grpc.StatusCode.NOT_FOUND


class WeightsMissingError(RunstreamError):
    """The model's weights are not on the server's machine; the message tells how to fetch them."""

    default_reason = "WEIGHTS_MISSING"
    default_code = grpc.StatusCode.FAILED_PRECONDITION


class ModelNotReadyError(RunstreamError):
    """The model is being loaded, could not be loaded, or the server stops."""

    default_reason = "MODEL_NOT_READY"
    default_code = grpc.StatusCode.UNAVAILABLE


class QueueFullError(RunstreamError):
    """As much waits as may: ask again after `retry_after_s`."""

    default_reason = "QUEUE_FULL"
    default_code = grpc.StatusCode.RESOURCE_EXHAUSTED


class RateLimitedError(RunstreamError):
    """The token has asked for as much as it may: ask again after `retry_after_s`. `metadata` tells which `limit`."""

    default_reason = "RATE_LIMITED"
    default_code = grpc.StatusCode.RESOURCE_EXHAUSTED


class DeadlineExceededError(RunstreamError):
    """The deadline passed before the answer was whole: ask for less, or give `timeout_s`."""

    default_reason = "DEADLINE_EXCEEDED"
    default_code = grpc.StatusCode.DEADLINE_EXCEEDED


class EngineFailedError(RunstreamError):
    """The engine failed while the request was running; the same request may make it fail again."""

    default_reason = "ENGINE_FAILED"
    default_code = grpc.StatusCode.INTERNAL


class InternalError(RunstreamError):
    """Something unforeseen, which the server's log tells under `request_id`."""

    default_reason = "INTERNAL"
    default_code = grpc.StatusCode.INTERNAL


class UnauthenticatedError(RunstreamError):
    """The call carries no token, or one that the service does not know or that has expired."""

    default_reason = "UNAUTHENTICATED"
    default_code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDeniedError(RunstreamError):
    """The call's token is good, but not for the account that it names, or not for what it asks."""

    default_reason = "PERMISSION_DENIED"
    default_code = grpc.StatusCode.PERMISSION_DENIED


class BatchNotFoundError(RunstreamError):
    """The account has no batch with this id, or it has expired."""

    default_reason = "BATCH_NOT_FOUND"
    default_code = grpc.StatusCode.NOT_FOUND


class BatchesDisabledError(RunstreamError):
    """The service keeps no batches."""

    default_reason = "BATCHES_DISABLED"
    default_code = grpc.StatusCode.FAILED_PRECONDITION


class BatchItemCancelledError(RunstreamError):
    """The item's batch was cancelled before the item had its result."""

    default_reason = "CANCELLED"
    default_code = grpc.StatusCode.CANCELLED


class UnreachableError(RunstreamError):
    """Nothing answers at the address, or the connection broke. A first attempt can wait with `wait_for_ready`.

    Attributes:
        details: What the library that tried tells of it, without advice.
    """

    default_code = grpc.StatusCode.UNAVAILABLE

    def __init__(self, message: str, *, details: str = "", **fields: Any) -> None:
        super().__init__(message, **fields)
        self.details = details or message


class MessageTooLargeError(RunstreamError):
    """The request or its answer has more than 16 MiB."""

    default_code = grpc.StatusCode.RESOURCE_EXHAUSTED


class CallCancelledError(RunstreamError):
    """The call was cancelled: its stream was left, its client closed, or the server ended it."""

    default_code = grpc.StatusCode.CANCELLED


class ClientClosedError(RunstreamError):
    """The client was closed before the call: make another, or make the call before the end of its `with` block."""

    default_code = grpc.StatusCode.CANCELLED


def _classes(error: type[RunstreamError]) -> Iterator[type[RunstreamError]]:
    yield error
    for narrower in error.__subclasses__():
        yield from _classes(narrower)


BY_REASON: Final = {kind.default_reason: kind for kind in _classes(RunstreamError) if kind.default_reason}
# What the gRPC library says by itself.
_BY_CODE: Final[Mapping[grpc.StatusCode, type[RunstreamError]]] = {
    grpc.StatusCode.UNAVAILABLE: UnreachableError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: MessageTooLargeError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.CANCELLED: CallCancelledError,
}


def from_reason(reason: str, message: str) -> RunstreamError:
    """Makes the error of a reason, such as a batch's item has; a `RunstreamError` for one that is newer than this."""
    return BY_REASON.get(reason, RunstreamError)(message, reason=reason)


def from_rpc(error: grpc.RpcError) -> RunstreamError:
    """Makes the error that a call has ended with, of what its google.rpc details tell."""
    trailing = dict[str, str | bytes](error.trailing_metadata() or ())  # type: ignore[arg-type]  # they are pairs
    packed = trailing.get(DETAILS_KEY, b"")
    status = _status(packed if isinstance(packed, bytes) else b"")
    message = error.details() or error.code().name
    info = next((info for info in _unpacked(status, error_details_pb2.ErrorInfo) if info.domain == DOMAIN), None)
    request_id = str(trailing.get(REQUEST_ID_KEY, ""))
    if info is None:
        kind = _BY_CODE.get(error.code(), RunstreamError)
        if kind is UnreachableError:
            return UnreachableError(advised(message), request_id=request_id, details=message)
        return kind(message, code=error.code(), request_id=request_id)
    return BY_REASON.get(info.reason, RunstreamError)(
        message,
        reason=info.reason,
        code=error.code(),
        metadata=dict(info.metadata),
        field=_field(status),
        retry_after_s=_retry_after_s(status),
        request_id=info.metadata.get("request_id", "") or request_id,
    )


def _status(packed: bytes) -> status_pb2.Status:
    """The status with its details; an empty one where something on the way has broken it."""
    try:
        return status_pb2.Status.FromString(packed)
    except DecodeError:
        return status_pb2.Status()


def _unpacked(status: status_pb2.Status, kind: Callable[[], Any]) -> Iterator[Any]:
    for detail in status.details:
        unpacked = kind()
        with suppress(DecodeError):
            if detail.Unpack(unpacked):
                yield unpacked


def _field(status: status_pb2.Status) -> str:
    requests = _unpacked(status, error_details_pb2.BadRequest)
    return next((str(violation.field) for request in requests for violation in request.field_violations), "")


def _retry_after_s(status: status_pb2.Status) -> float | None:
    delays = (retry.retry_delay for retry in _unpacked(status, error_details_pb2.RetryInfo))
    return next((float(delay.seconds + delay.nanos / 1e9) for delay in delays), None)
