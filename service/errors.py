"""Every error that a caller of the service can meet.

    RunstreamError                     INTERNAL             INTERNAL
    ├── InvalidRequestError            INVALID_ARGUMENT     INVALID_REQUEST
    │   ├── ContextWindowExceededError INVALID_ARGUMENT     CONTEXT_WINDOW_EXCEEDED
    │   ├── UnsatisfiableFormatError   INVALID_ARGUMENT     FORMAT_UNSATISFIABLE
    │   └── LoraUnsupportedError       INVALID_ARGUMENT     LORA_UNSUPPORTED
    ├── ModelNotFoundError             NOT_FOUND            MODEL_NOT_FOUND
    ├── BatchNotFoundError             NOT_FOUND            BATCH_NOT_FOUND
    ├── BatchesDisabledError           FAILED_PRECONDITION  BATCHES_DISABLED
    ├── WeightsMissingError            FAILED_PRECONDITION  WEIGHTS_MISSING
    ├── UnauthenticatedError           UNAUTHENTICATED      UNAUTHENTICATED
    ├── PermissionDeniedError          PERMISSION_DENIED    PERMISSION_DENIED
    ├── QueueFullError                 RESOURCE_EXHAUSTED   QUEUE_FULL
    ├── RateLimitedError               RESOURCE_EXHAUSTED   RATE_LIMITED
    ├── ModelNotReadyError             UNAVAILABLE          MODEL_NOT_READY
    ├── DeadlineExceededError          DEADLINE_EXCEEDED    DEADLINE_EXCEEDED
    └── EngineFailedError              INTERNAL             ENGINE_FAILED

The second column is the gRPC status, the third the `reason` of its google.rpc.ErrorInfo. The engine raises some of
these, so this module knows gRPC's names only as text; `service/rpc/status.py` writes them to the wire.
"""

from typing import ClassVar

from logs.clipping import clipped

_CODES_OF_OURS = ("INTERNAL", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION")

# What a client sent may stand in a message, and it is sent in a trailer.
MAX_MESSAGE_BYTES = 800


def shortened(text: str, max_bytes: int) -> str:
    """The text, or its beginning. Half a surrogate pair, which JSON can write and no message can hold, becomes "?"."""
    encoded = text.encode(errors="replace")
    return encoded[:max_bytes].decode(errors="ignore") + "…" * (len(encoded) > max_bytes)


class RunstreamError(Exception):
    """Something that ends a request, with a message made for the caller to read.

    Args:
        message: What is wrong and what to change. It reaches the caller as it is.
        metadata: What is dynamic in the message, once more by name, for programs.
    """

    code: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "INTERNAL"
    retry_after_s: int | None = None
    trailing_metadata: tuple[tuple[str, str], ...] = ()

    def __init__(self, message: str, **metadata: object) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = {name: str(value) for name, value in metadata.items()}

    @property
    def for_caller(self) -> str:
        """The message as it is sent: at most `MAX_MESSAGE_BYTES` of it."""
        return shortened(self.message, MAX_MESSAGE_BYTES)

    @property
    def for_log(self) -> str:
        """What a log may hold of it: the message too if it tells of the service, and can't quote the request."""
        return f"{self.reason}: {clipped(self.message)}" if self.code in _CODES_OF_OURS else self.reason


class InvalidRequestError(RunstreamError):
    """The request can't be met by any server in this version: the caller must change it.

    Args:
        message: What is wrong and what to change.
        field: The path of the field at fault, in the contract's words, for google.rpc.BadRequest.
    """

    code = "INVALID_ARGUMENT"
    reason = "INVALID_REQUEST"

    def __init__(self, message: str, field: str = "", **metadata: object) -> None:
        super().__init__(message, **metadata)
        self.field = field

    @property
    def for_log(self) -> str:
        """The reason and the field: the message may quote the request's prompt."""
        return f"{self.reason} at {clipped(self.field)}" if self.field else self.reason


class ContextWindowExceededError(InvalidRequestError):
    """The prompt, or the prompt and max_tokens together, have more tokens than fit."""

    reason = "CONTEXT_WINDOW_EXCEEDED"


class UnsatisfiableFormatError(InvalidRequestError):
    """No completion can have the form that was asked for, or this one does not."""

    reason = "FORMAT_UNSATISFIABLE"


class LoraUnsupportedError(InvalidRequestError):
    """A LoRA adapter is asked for, and the model that answers has none."""

    reason = "LORA_UNSUPPORTED"


class ModelNotFoundError(RunstreamError):
    """The catalog does not name the model."""

    code = "NOT_FOUND"
    reason = "MODEL_NOT_FOUND"


class BatchNotFoundError(RunstreamError):
    """There is no batch with this id that the account may read."""

    code = "NOT_FOUND"
    reason = "BATCH_NOT_FOUND"


class BatchesDisabledError(RunstreamError):
    """The service was told to keep no batches."""

    code = "FAILED_PRECONDITION"
    reason = "BATCHES_DISABLED"


class WeightsMissingError(RunstreamError):
    """The catalog names the model, but its weights are not on this machine."""

    code = "FAILED_PRECONDITION"
    reason = "WEIGHTS_MISSING"


class UnauthenticatedError(RunstreamError):
    """The call carries no token, or one that the service does not know or that has expired."""

    code = "UNAUTHENTICATED"
    reason = "UNAUTHENTICATED"


class PermissionDeniedError(RunstreamError):
    """The call's token is good, but not for the account that it names, or not for what it asks."""

    code = "PERMISSION_DENIED"
    reason = "PERMISSION_DENIED"


class QueueFullError(RunstreamError):
    """As many requests wait as may, or this one would wait for too long.

    Args:
        message: As of every error.
        retry_after_s: In how many seconds there may be room.
    """

    code = "RESOURCE_EXHAUSTED"
    reason = "QUEUE_FULL"

    def __init__(self, message: str, retry_after_s: int = 1, **metadata: object) -> None:
        super().__init__(message, **metadata)
        self.retry_after_s = retry_after_s


class RateLimitedError(RunstreamError):
    """The token has asked for as much as it may.

    Args:
        message: As of every error.
        retry_after_s: In how many seconds it may ask again.
    """

    code = "RESOURCE_EXHAUSTED"
    reason = "RATE_LIMITED"

    def __init__(self, message: str, retry_after_s: int = 1, **metadata: object) -> None:
        super().__init__(message, **metadata)
        self.retry_after_s = retry_after_s


class ModelNotReadyError(RunstreamError):
    """The model is being loaded, could not be loaded, or the server is draining."""

    code = "UNAVAILABLE"
    reason = "MODEL_NOT_READY"
    retry_after_s = 2


class DeadlineExceededError(RunstreamError):
    """The call's deadline passed before the completion ended."""

    code = "DEADLINE_EXCEEDED"
    reason = "DEADLINE_EXCEEDED"


class EngineFailedError(RunstreamError):
    """The engine failed while the request was running. The same request may make it fail again."""

    code = "INTERNAL"
    reason = "ENGINE_FAILED"
