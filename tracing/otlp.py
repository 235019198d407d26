"""Spans that are sent to a collector by OTLP over gRPC.

Made by hand with OpenTelemetry's SDK: its instrumentation of grpc.aio awaits generators where our handlers write, that
of aiohttp replaces a class of aiohttp's, and both write down texts of exceptions.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

import grpc
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tracing.opening import FLUSH_S
from tracing.quiet_log import quieten
from tracing.sampling import BoundedAsking
from tracing.spans import Attributes, Headers, Span, as_current

_MAX_VALUE_CHARACTERS = 200
_MAX_ATTRIBUTES = 64
_PROPAGATOR = TraceContextTextMapPropagator()
_HEADERS = ("traceparent", "tracestate")


class OtlpTracing:
    """Sends the spans of this process, from a thread of its own and a queue that drops what it has no room for.

    Args:
        endpoint: Where to; empty for where the environment says.
        service_name: What the spans are of.
        max_asked_for_per_s: See `BoundedAsking`.
    """

    is_on = True

    def __init__(self, endpoint: str, service_name: str, max_asked_for_per_s: int) -> None:
        quieten()
        is_insecure = urlsplit(endpoint).scheme == "http" if endpoint else None
        resource = Resource({"service.name": service_name, "process.pid": os.getpid()})
        self._provider = TracerProvider(
            resource=Resource.create().merge(resource).merge(OTELResourceDetector().detect()),
            shutdown_on_exit=False,
            span_limits=SpanLimits(
                max_span_attributes=_MAX_ATTRIBUTES, max_span_attribute_length=_MAX_VALUE_CHARACTERS
            ),
        )
        self._provider.sampler = BoundedAsking(self._provider.sampler, max_asked_for_per_s)
        exporter = OTLPSpanExporter(endpoint=endpoint or None, insecure=is_insecure)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("runstream")

    @contextlib.contextmanager
    def serve(self, name: str, headers: Iterable[tuple[str, str | bytes]], attributes: Attributes) -> Iterator[Span]:
        """See `Tracing`."""
        span = _OtlpSpan(self._tracer, name, _context_of(headers), SpanKind.SERVER, attributes)
        try:
            with as_current(span):
                yield span
        finally:
            span.end()

    def close(self) -> None:
        """See `Tracing`."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)  # it would wait for half a minute
        closing.start()
        closing.join(FLUSH_S)


class _OtlpSpan:
    """A span of the SDK's, whose times and those of its children come from one clock."""

    def __init__(
        self, tracer: trace.Tracer, name: str, context: Context, kind: SpanKind, attributes: Attributes
    ) -> None:
        self._tracer = tracer
        self._began_ns, self._began_at = time.time_ns(), time.perf_counter()
        self._span = tracer.start_span(name, context, kind, attributes, start_time=self._began_ns)
        self._context = trace.set_span_in_context(self._span, context)

    @property
    def headers(self) -> Headers:
        """See `Span`."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, self._context)
        return tuple(carrier.items())

    def set(self, attributes: Attributes) -> None:
        """See `Span`."""
        self._span.set_attributes(attributes)

    def fail(self, kind: str = "", message: str = "") -> None:
        """See `Span`."""
        if kind:
            self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR, message[:_MAX_VALUE_CHARACTERS] or None))

    def add(self, name: str, began_at: float, ended_at: float, failure: str = "") -> None:
        """See `Span`."""
        piece = self._tracer.start_span(name, self._context, start_time=self._ns(began_at))
        if failure:
            piece.set_attribute("error.type", failure)
            piece.set_status(StatusCode.ERROR)
        piece.end(self._ns(ended_at))

    def call(self, method: str) -> AbstractContextManager[Span]:
        """See `Span`."""
        attributes = {"rpc.system.name": "grpc", "rpc.method": method}
        return _calling(_OtlpSpan(self._tracer, method, self._context, SpanKind.CLIENT, attributes))

    def end(self) -> None:
        """Ends it now."""
        self._span.end(self._ns(time.perf_counter()))

    def _ns(self, at: float) -> int:
        """A moment in nanoseconds since 1970."""
        return self._began_ns + round((at - self._began_at) * 1e9)


@contextlib.contextmanager
def _calling(span: _OtlpSpan) -> Iterator[Span]:
    status = grpc.StatusCode.OK
    try:
        yield span
    except grpc.aio.AioRpcError as error:
        status = error.code()
        raise
    except (asyncio.CancelledError, GeneratorExit):
        status = grpc.StatusCode.CANCELLED
        raise
    finally:
        span.set({"rpc.response.status_code": status.name})
        if status is not grpc.StatusCode.OK:
            span.fail(status.name)
        span.end()


def _context_of(headers: Iterable[tuple[str, str | bytes]]) -> Context:
    """The trace that a caller tells of; two of a header are none, as W3C has it for `traceparent`."""
    told: dict[str, list[str]] = {name: [] for name in _HEADERS}
    for name, value in headers:
        if name.lower() in told and isinstance(value, str):
            told[name.lower()].append(value)
    if len(told["traceparent"]) != 1:
        return Context()
    return _PROPAGATOR.extract({name: values for name, values in told.items() if values}, Context())
