"""Whether traces are sent, and what is refused."""

import subprocess
import sys

import pytest

from tests.support.running_stack import ROOT
from tracing.opening import TracingError, check_endpoint, open_tracing
from tracing.spans import NO_TRACING, current_span

ENDPOINT = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL", "TRACES_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)


def is_on(endpoint=""):
    tracing = open_tracing(endpoint, "test", 10)
    tracing.close()
    return tracing.is_on


def test_without_an_endpoint_nothing_is_traced():
    assert open_tracing("", "test", 10) is NO_TRACING
    with NO_TRACING.serve("call", (), {}) as span:
        assert span is current_span()
        assert span.headers == ()


def test_the_flag_is_enough():
    assert is_on(ENDPOINT)


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_a_variable_of_opentelemetry_is_enough(monkeypatch, name):
    monkeypatch.setenv(name, ENDPOINT)
    assert is_on()


def test_opentelemetry_s_variables_turn_it_off(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert not is_on()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not is_on(ENDPOINT)


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4317", "grpc://host:4317", "http://", "http://host:4318/v1/traces"])
def test_what_is_no_endpoint_is_refused(endpoint):
    with pytest.raises(TracingError, match="http://host:4317"):
        check_endpoint(endpoint)


def test_a_protocol_that_is_not_spoken_is_refused(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    with pytest.raises(TracingError, match="only grpc"):
        open_tracing("", "test", 10)


def test_missing_packages_are_named_with_what_to_install():
    hidden = "import sys; sys.modules['opentelemetry'] = None; from tracing.opening import open_tracing; "
    script = f"{hidden}open_tracing('{ENDPOINT}', 'test', 10)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "pip install -c constraints.txt '.[tracing]'" in done.stderr.splitlines()[-1]
