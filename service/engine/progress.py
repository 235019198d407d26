"""Whoever waits for an engine to be ready is told how far it is, without being handed from call to call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Progress = Callable[[str, int, int], None]
"""Takes what is done, how much of it is done, and how much there is: of weights in bytes, of other things in pieces."""

_told: ContextVar[Progress | None] = ContextVar("told", default=None)


@contextmanager
def progress_told(tell: Progress) -> Iterator[None]:
    """Calls `tell` whenever `tell_progress` is called within."""
    token = _told.set(tell)
    try:
        yield
    finally:
        _told.reset(token)


def tell_progress(what: str, num_done: int, total: int) -> None:
    """Tells of progress, if anybody wants to know."""
    if (tell := _told.get()) is not None:
        tell(what, num_done, total)
