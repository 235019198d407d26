"""All that `runstream` exports, in the modules that have it."""

from runstream.async_client import AsyncClient
from runstream.batch import Batch, BatchResult
from runstream.client import Client
from runstream.errors import (
    BatchesDisabledError,
    BatchItemCancelledError,
    BatchNotFoundError,
    CallCancelledError,
    ClientClosedError,
    ContextWindowExceededError,
    DeadlineExceededError,
    EngineFailedError,
    InternalError,
    InvalidRequestError,
    LoraUnsupportedError,
    MessageTooLargeError,
    ModelNotFoundError,
    ModelNotReadyError,
    PermissionDeniedError,
    QueueFullError,
    RateLimitedError,
    RunstreamError,
    UnauthenticatedError,
    UnreachableError,
    UnsatisfiableFormatError,
    WeightsMissingError,
)
from runstream.messages import Message, ToolCall
from runstream.models import Model
from runstream.requests import RunOptions, make_request
from runstream.response_formats import Choice, Regex
from runstream.results import Part, RunResult, TokenCount, ToolCallDelta, Usage
from runstream.streams import AsyncStream, Stream
from runstream.tools import Tool

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "Batch",
    "BatchItemCancelledError",
    "BatchNotFoundError",
    "BatchResult",
    "BatchesDisabledError",
    "CallCancelledError",
    "Choice",
    "Client",
    "ClientClosedError",
    "ContextWindowExceededError",
    "DeadlineExceededError",
    "EngineFailedError",
    "InternalError",
    "InvalidRequestError",
    "LoraUnsupportedError",
    "Message",
    "MessageTooLargeError",
    "Model",
    "ModelNotFoundError",
    "ModelNotReadyError",
    "Part",
    "PermissionDeniedError",
    "QueueFullError",
    "RateLimitedError",
    "Regex",
    "RunOptions",
    "RunResult",
    "RunstreamError",
    "Stream",
    "TokenCount",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "UnauthenticatedError",
    "UnreachableError",
    "UnsatisfiableFormatError",
    "Usage",
    "WeightsMissingError",
    "make_request",
]
