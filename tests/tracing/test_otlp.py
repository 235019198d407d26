"""What a caller tells of its trace, and what goes on from here."""

import pytest

from tracing.otlp import OtlpTracing

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT_HEADER = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture(scope="module")
def tracing():
    """One for all, whose end waits for the collector that is not there."""
    tracing = OtlpTracing("http://127.0.0.1:1", "test", 10)
    yield tracing
    tracing.close()


def continued(tracing, *headers):
    """The headers that a call from within a served one has."""
    with tracing.serve("served", headers, {}) as span, span.call("a.B/C") as call:
        return dict(call.headers)


def test_a_trace_goes_on_with_its_state(tracing):
    headers = continued(tracing, ("Traceparent", PARENT_HEADER), ("tracestate", "a=1"), ("tracestate", "b=2"))
    version, trace, parent, flags = headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert parent != PARENT
    assert headers["tracestate"] == "a=1,b=2"


def test_a_trace_that_is_not_sampled_is_told_as_such(tracing):
    assert continued(tracing, ("traceparent", f"00-{TRACE}-{PARENT}-00"))["traceparent"].endswith("-00")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("traceparent", ""),),
        (("traceparent", f"00-{'0' * 32}-{PARENT}-01"),),
        (("traceparent", f"ff-{TRACE}-{PARENT}-01"),),
        (("traceparent", PARENT_HEADER), ("traceparent", PARENT_HEADER)),
        (("traceparent", b"\xff"),),
        (("traceparent", "x" * 100_000),),
    ],
)
def test_what_is_no_trace_begins_another(tracing, headers):
    assert TRACE not in continued(tracing, *headers)["traceparent"]


def test_a_state_that_is_too_long_is_dropped(tracing):
    assert "tracestate" not in continued(tracing, ("traceparent", PARENT_HEADER), ("tracestate", f"a={'1' * 600}"))
