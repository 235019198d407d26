"""What others may have written here."""

from opentelemetry.sdk.trace.sampling import ALWAYS_ON, DEFAULT_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from tracing.sampling import BoundedAsking


def context_of_caller(*, is_sampled=True):
    flags = TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)
    return set_span_in_context(NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=flags)))


def num_written(sampler, context, asked):
    return sum(sampler.should_sample(context, 1, "call").decision.is_sampled() for _ in range(asked))


def test_callers_get_so_many_in_a_second():
    now = [0.0]
    sampler = BoundedAsking(DEFAULT_ON, 3, clock=lambda: now[0])
    assert num_written(sampler, context_of_caller(), 10) == 3
    now[0] = 1.0
    assert num_written(sampler, context_of_caller(), 10) == 3


def test_traces_that_begin_here_are_not_bounded():
    assert num_written(BoundedAsking(ALWAYS_ON, 3), None, 10) == 10


def test_a_caller_that_wants_none_gets_none():
    assert num_written(BoundedAsking(DEFAULT_ON, 3), context_of_caller(is_sampled=False), 10) == 0
