"""A collector of traces in a process of its own: OTLP over gRPC in, and at its end all spans as JSON out.

`python -m tests.support.otlp_collector` says its port on its first line. It ends with its standard input.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as pb_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.running_stack import ROOT


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it was sent.

    Attributes:
        trace, id, parent: Hexadecimal; `parent` is empty if it has none.
        process: The name of the service that it is of.
        name, kind, attributes: As OpenTelemetry has them, `kind` without its prefix.
        has_failed: Whether its status is an error.
        began_ns, ended_ns: Nanoseconds since 1970.
    """

    trace: str
    id: str
    parent: str
    process: str
    name: str
    kind: str
    has_failed: bool
    began_ns: int
    ended_ns: int
    attributes: dict[str, Any] = field(default_factory=dict)


class Collector:
    """A running collector."""

    def __init__(self, process: subprocess.Popen) -> None:
        assert process.stdout is not None
        self._process = process
        self.endpoint = f"http://127.0.0.1:{process.stdout.readline().strip()}"

    def end(self) -> list[CollectedSpan]:
        """Ends it, and gives what it was sent."""
        written, _ = self._process.communicate()
        return [CollectedSpan(**json.loads(line)) for line in written.splitlines()]


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Starts a collector, and ends it whatever happened."""
    command = [sys.executable, "-m", "tests.support.otlp_collector"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield Collector(process)


class _Servicer(pb_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self.spans: list[CollectedSpan] = []

    def Export(self, request: pb.ExportTraceServiceRequest, _: Any) -> pb.ExportTraceServiceResponse:  # noqa: N802
        for of_resource in request.resource_spans:
            process = _values(of_resource.resource.attributes)["service.name"]
            for of_scope in of_resource.scope_spans:
                self.spans += [_collected(process, span) for span in of_scope.spans]
        return pb.ExportTraceServiceResponse()


def _collected(process: str, span: trace_pb2.Span) -> CollectedSpan:
    return CollectedSpan(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        process=process,
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        has_failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        began_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        attributes=_values(span.attributes),
    )


def _values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: AnyValue) -> Any:
    if value.WhichOneof("value") == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, value.WhichOneof("value") or "string_value")


def main() -> None:
    servicer = _Servicer()
    server = grpc.server(ThreadPoolExecutor(2))
    pb_grpc.add_TraceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None).wait()
    for span in servicer.spans:
        print(json.dumps(asdict(span)))


if __name__ == "__main__":
    main()
