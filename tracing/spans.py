"""Spans as those see them who are traced. By themselves they do nothing and cost nothing.

Times are seconds of `time.perf_counter`. Values that a client chose may be given as they are: they are cut.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol, TypeAlias

Attributes: TypeAlias = Mapping[str, str | int | float | Sequence[str]]
Headers: TypeAlias = tuple[tuple[str, str], ...]


class Span(Protocol):
    """A piece of work."""

    @property
    def headers(self) -> Headers:
        """W3C's `traceparent` and `tracestate`, which tell another process of it; none if nothing is traced."""

    def set(self, attributes: Attributes) -> None:
        """Adds attributes; those that it has already are replaced."""

    def fail(self, kind: str = "", message: str = "") -> None:
        """Marks it as failed.

        Args:
            kind: Becomes `error.type`, one of few words, such as a gRPC status; empty if that is told already.
            message: Says more, and nothing of a request's content.
        """

    def add(self, name: str, began_at: float, ended_at: float, failure: str = "") -> None:
        """Adds a piece of it that is over; `failure` is the `kind` of `fail`, empty if it went well."""

    def call(self, method: str) -> AbstractContextManager["Span"]:
        """Begins a gRPC call of another process, which ends with the context and fails with what passes through it.

        Args:
            method: Package, service and method, such as `runstream.v1.TextGenerationService/Run`.
        """


class Tracing(Protocol):
    """Makes the spans of a process."""

    @property
    def is_on(self) -> bool:
        """Whether anybody collects them."""

    def serve(
        self, name: str, headers: Iterable[tuple[str, str | bytes]], attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """Begins what is done for a caller: the current span of the context.

        Args:
            name: Its name, which no client chooses.
            headers: The caller's; with a `traceparent` the span continues the caller's trace.
            attributes: What is known at once.
        """

    def close(self) -> None:
        """Hands over what is left, for at most `opening.FLUSH_S`."""


class NoSpan:
    """Is of no trace."""

    headers: Headers = ()

    def set(self, attributes: Attributes) -> None:
        """See `Span`."""

    def fail(self, kind: str = "", message: str = "") -> None:
        """See `Span`."""

    def add(self, name: str, began_at: float, ended_at: float, failure: str = "") -> None:
        """See `Span`."""

    def call(self, method: str) -> AbstractContextManager[Span]:
        """See `Span`."""
        return contextlib.nullcontext(self)


class NoTracing:
    """Traces nothing."""

    is_on = False

    def serve(
        self, name: str, headers: Iterable[tuple[str, str | bytes]], attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """See `Tracing`."""
        return contextlib.nullcontext(NO_SPAN)

    def close(self) -> None:
        """See `Tracing`."""


NO_SPAN: Span = NoSpan()
NO_TRACING: Tracing = NoTracing()

_current: ContextVar[Span] = ContextVar("span", default=NO_SPAN)


def current_span() -> Span:
    """What is done for a caller in this context; no span if nothing is traced, or nobody called."""
    return _current.get()


@contextlib.contextmanager
def as_current(span: Span) -> Iterator[None]:
    """Makes a span the current one of the context."""
    token = _current.set(span)
    try:
        yield
    finally:
        _current.reset(token)
