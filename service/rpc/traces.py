"""The span of a call that asks something: from its metadata to its status."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc

from service.rpc.calls import ServicerContext
from tracing.spans import Span, Tracing

_TRACED: Final = frozenset(
    {
        "/runstream.v1.TextGenerationService/Run",
        "/runstream.v1.TextGenerationService/RunStream",
        "/runstream.v1.TextGenerationService/CountTokens",
        "/runstream.v1.BatchService/CreateBatch",
    }
)

# Those that OpenTelemetry's conventions count as failures of the server, and the caller's leaving.
_FAILURES: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class TracedCalls(grpc.aio.ServerInterceptor):
    """Traces calls of many messages, as `RequestMessages`, which stands behind it, makes them all.

    Args:
        tracing: Makes the spans.
    """

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of a call, traced if it is worth it; None if there is none."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method not in _TRACED:
            return handler
        method = handler_call_details.method.removeprefix("/")
        if handler.response_streaming:
            streamed = self._traced(method, handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(streamed, None, handler.response_serializer)
        whole = self._traced(method, handler.stream_unary)
        return grpc.stream_unary_rpc_method_handler(whole, None, handler.response_serializer)

    def _traced(self, method: str, handle: Any) -> Any:
        attributes = {"rpc.system.name": "grpc", "rpc.method": method}

        async def answer(messages: AsyncIterator[bytes], context: ServicerContext) -> Any:
            status = grpc.StatusCode.UNKNOWN
            with self._tracing.serve(method, context.invocation_metadata() or (), attributes) as span:
                try:
                    response = await handle(messages, context)
                    status = grpc.StatusCode.OK
                    return response
                except asyncio.CancelledError:
                    status = _status_of_cancelled(context)
                    span.set({"error.type": status.name})
                    raise
                except grpc.aio.AbortError:
                    status = context.code()
                    raise
                finally:
                    _tell_status(span, status)

        return answer


def _tell_status(span: Span, status: grpc.StatusCode) -> None:
    span.set({"rpc.response.status_code": status.name})
    if status in _FAILURES:
        span.fail()


def _status_of_cancelled(context: ServicerContext) -> grpc.StatusCode:
    """The status of a call that gRPC cancels: its client has left, or the client's own deadline is over."""
    left_s = context.time_remaining()
    is_late = left_s is not None and left_s <= 0
    return grpc.StatusCode.DEADLINE_EXCEEDED if is_late else grpc.StatusCode.CANCELLED
