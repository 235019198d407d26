"""Whoever waits for an engine is told how far a load is, and that a step gets on, without being handed around."""

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


_noted: ContextVar[Callable[[], None] | None] = ContextVar("noted", default=None)


@contextmanager
def layers_noted(note: Callable[[], None]) -> Iterator[None]:
    """Calls `note` whenever `note_layer` is called within."""
    token = _noted.set(note)
    try:
        yield
    finally:
        _noted.reset(token)


def note_layer() -> None:
    """Notes that a step has come to its next layer, if anybody wants to know."""
    if (note := _noted.get()) is not None:
        note()
