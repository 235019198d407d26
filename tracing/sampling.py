"""How many traces others may have written here by asking for them."""

import time
from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes


class BoundedAsking(Sampler):
    """Follows a sampler, and writes at most so many traces in a second because callers set the sampled flag.

    Args:
        sampler: Decides first, by the flag of whoever called, or where there is none by its own rule.
        max_per_s: The most spans in a second that continue the trace of another process.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        sampler: Sampler,
        max_per_s: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sampler = sampler
        self._max_per_s = max_per_s
        self._clock = clock
        self._second = 0
        self._num_in_second = 0

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """See `Sampler`."""
        result = self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if (
            result.decision is Decision.RECORD_AND_SAMPLE
            and get_current_span(parent_context).get_span_context().is_remote
        ):
            second = int(self._clock())
            if second != self._second:
                self._second, self._num_in_second = second, 0
            self._num_in_second += 1
            if self._num_in_second > self._max_per_s:
                return SamplingResult(Decision.DROP, trace_state=result.trace_state)
        return result

    def get_description(self) -> str:
        """See `Sampler`."""
        return f"BoundedAsking{{{self._sampler.get_description()}, {self._max_per_s}/s}}"
