"""The trace of a request through all processes, as a collector gets it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import grpc
import pytest
import requests
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from tests.support.otlp_collector import CollectedSpan, running_collector
from tests.support.running_stack import ROOT
from tests.support.scripted_engine import scripted_engine_variable
from tests.support.separate_stack import SeparateStack, separate_stack

DEMO = "@runstream/demo"
SECRET = "Where is the treasure?"  # what no span may hold
RUN, RUN_STREAM = (f"runstream.v1.TextGenerationService/{method}" for method in ("Run", "RunStream"))
NATIVE = f"/client/v4/accounts/acc/ai/run/{DEMO}"
CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
RESPONSE_BODY = {"model": DEMO, "input": SECRET, "instructions": SECRET, "max_output_tokens": 5, "stream": True}
CHAT_BODY = {"model": DEMO, "messages": [{"role": "user", "content": SECRET}], "max_tokens": 5}

# The caller's traces, by what it asks.
TRACES = {
    name: f"{number:032x}"
    for number, name in enumerate(
        ("native", "native stream", "chat", "chat stream", "refused", "left", "unsampled", "two choices", "responses"),
        1,
    )
}
GRPC_TRACES = {"Run": f"{101:032x}", "RunStream": f"{102:032x}"}
CALLER = f"{7:016x}"


def traceparent(trace: str, flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{CALLER}-{flags}", "tracestate": "vendor=value"}


def post(stack: SeparateStack, name: str, path: str, body: object, flags: str = "01") -> requests.Response:
    return requests.post(stack.url + path, json=body, headers=traceparent(TRACES[name], flags))


def ask_everything(stack: SeparateStack) -> None:
    native = {"prompt": SECRET, "max_tokens": 5}
    assert post(stack, "native", NATIVE, native).ok
    assert post(stack, "native stream", NATIVE, {**native, "stream": True}).text.endswith("[DONE]\n\n")
    assert post(stack, "chat", CHAT, CHAT_BODY).ok
    assert post(stack, "chat stream", CHAT, {**CHAT_BODY, "stream": True}).text.endswith("[DONE]\n\n")
    assert post(stack, "two choices", CHAT, {**CHAT_BODY, "n": 2}).ok
    assert post(stack, "responses", RESPONSES, RESPONSE_BODY).text.endswith("\n\n")
    assert post(stack, "refused", NATIVE, {**native, "max_tokens": -1}).status_code == 400
    assert post(stack, "unsampled", NATIVE, native, flags="00").ok
    assert requests.post(stack.url + NATIVE, json=native).ok
    leave_early(stack)
    ask_over_grpc(stack)


def leave_early(stack: SeparateStack) -> None:
    body = {"prompt": SECRET, "raw": True, "stream": True, "max_tokens": 950, "ignore_eos": True}
    headers = traceparent(TRACES["left"])
    with closing(requests.post(stack.url + NATIVE, json=body, headers=headers, stream=True)) as response:
        assert next(response.iter_lines())


def ask_over_grpc(stack: SeparateStack) -> None:
    request = pb.RunRequest(model=DEMO, prompt=pb.Prompt(text=SECRET), sampling_params=pb.SamplingParams(max_tokens=5))
    with grpc.insecure_channel(f"127.0.0.1:{stack.service_port}") as channel:
        stub = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        stub.Run(request, metadata=tuple(traceparent(GRPC_TRACES["Run"]).items()))
        list(stub.RunStream(request, metadata=tuple(traceparent(GRPC_TRACES["RunStream"]).items())))


@pytest.fixture(scope="module")
def spans() -> Iterator[list[CollectedSpan]]:
    """What a collector has got once service and bridge have ended: all that they had made."""
    with running_collector() as collector, separate_stack() as stack:
        stack.start_service(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
        stack.start_bridge(RUNSTREAM_BRIDGE_OTLP_ENDPOINT=collector.endpoint)
        ask_everything(stack)
        stack.stop("bridge")
        stack.stop("service")
        yield collector.end()


def of_trace(spans: list[CollectedSpan], trace: str) -> list[CollectedSpan]:
    return sorted((span for span in spans if span.trace == trace), key=lambda span: span.began_ns)


def paths(spans: list[CollectedSpan]) -> list[str]:
    """Each span as the names on the way to it."""
    by_id = {span.id: span for span in spans}

    def path(span: CollectedSpan) -> str:
        above = path(by_id[span.parent]) + " > " if span.parent in by_id else f"{span.parent} > "
        return f"{above}{span.process.removeprefix('runstream-')} {span.kind} {span.name}"

    return sorted(path(span) for span in spans)


def stages_below(top: str) -> list[str]:
    return [top, *(f"{top} > service INTERNAL {stage}" for stage in ("decode", "prefill", "queue"))]


@pytest.mark.parametrize(
    ("name", "route", "method"),
    [
        ("native", "/client/v4/accounts/{account_id}/ai/run/{model}", RUN),
        ("native stream", "/client/v4/accounts/{account_id}/ai/run/{model}", RUN_STREAM),
        ("chat", CHAT, RUN),
        ("chat stream", CHAT, RUN_STREAM),
        ("responses", RESPONSES, RUN_STREAM),
    ],
)
def test_a_trace_leads_from_the_client_through_bridge_and_service_to_the_engine(spans, name, route, method):
    request = f"{CALLER} > bridge SERVER POST {route}"
    call = f"{request} > bridge CLIENT {method}"
    assert paths(of_trace(spans, TRACES[name])) == [request, call, *stages_below(f"{call} > service SERVER {method}")]


@pytest.mark.parametrize("method", GRPC_TRACES)
def test_a_trace_leads_from_a_grpc_client_to_the_engine(spans, method):
    top = f"{CALLER} > service SERVER runstream.v1.TextGenerationService/{method}"
    assert paths(of_trace(spans, GRPC_TRACES[method])) == stages_below(top)


def test_the_stages_follow_one_another_within_the_call(spans):
    by_name = {span.name: span for span in of_trace(spans, GRPC_TRACES["Run"])}
    queue, prefill, decode = (by_name[stage] for stage in ("queue", "prefill", "decode"))
    assert queue.ended_ns == prefill.began_ns
    assert prefill.ended_ns == decode.began_ns
    assert by_name[RUN].began_ns <= queue.began_ns <= decode.ended_ns <= by_name[RUN].ended_ns


def test_spans_tell_the_model_and_the_tokens_by_the_conventions(spans):
    by_process = {span.process: span for span in of_trace(spans, TRACES["native stream"]) if span.kind == "SERVER"}
    assert len(by_process) == 2
    for span in by_process.values():
        assert span.attributes["gen_ai.request.model"] == span.attributes["gen_ai.response.model"] == DEMO
        assert span.attributes["gen_ai.usage.output_tokens"] == 5
        assert span.attributes["gen_ai.response.finish_reasons"] == ["length"]
        assert span.attributes["gen_ai.usage.input_tokens"] > 0
    assert by_process["runstream-bridge"].attributes["http.response.status_code"] == 200
    assert by_process["runstream-service"].attributes["rpc.response.status_code"] == "OK"


def test_each_choice_has_a_call_of_its_own(spans):
    names = [span.name for span in of_trace(spans, TRACES["two choices"])]
    assert names.count("decode") == 2
    assert names.count(RUN) == 4


def test_a_request_without_a_trace_begins_one(spans):
    own = [span for span in spans if span.kind == "SERVER" and not span.parent]
    assert [span.process for span in own] == ["runstream-bridge"]
    assert len(of_trace(spans, own[0].trace)) == 6


def test_a_refused_request_has_one_span_that_says_so(spans):
    (span,) = of_trace(spans, TRACES["refused"])
    assert (span.attributes["http.response.status_code"], span.attributes["error.type"]) == (400, "400")
    assert not span.has_failed


def test_spans_of_a_request_that_was_left_have_failed(spans):
    left = of_trace(spans, TRACES["left"])
    failed = {(span.kind, span.attributes["error.type"]) for span in left if span.has_failed}
    assert failed >= {("SERVER", "CLIENT_LEFT"), ("CLIENT", "CANCELLED"), ("SERVER", "CANCELLED")}


def test_a_caller_that_wants_no_trace_gets_none(spans):
    assert not of_trace(spans, TRACES["unsampled"])


def test_no_span_holds_content(spans):
    assert spans
    assert SECRET not in json.dumps([span.attributes for span in spans])


def test_a_collector_that_is_down_holds_nothing_up_and_gets_one_line_of_a_kind():
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY": "1"}
    with separate_stack() as stack:
        stack.start_service(**nowhere, **scripted_engine_variable())
        stack.start_bridge(**nowhere)
        for _ in range(5):
            assert requests.post(stack.url + NATIVE, json={"prompt": SECRET, "max_tokens": 2}).ok
        logs = [stack.stop("bridge"), stack.stop("service")]
    for log in logs:
        lines = [line.split("traces: ", 1)[1][:20] for line in log.splitlines() if "traces: " in line]
        assert lines
        assert len(lines) == len(set(lines))
        assert "Traceback" not in log


@pytest.mark.parametrize("module", ["bridge.__main__", "service.__main__"])
def test_without_an_endpoint_nothing_of_opentelemetry_is_loaded(module):
    script = f"import sys, {module}; print(*[name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
