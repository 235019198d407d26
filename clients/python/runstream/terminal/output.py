"""What is written for people and for other programs."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from runstream.terminal.escapes import visible
from runstream.terminal.failures import UNREAD, Failure


def write(text: str) -> None:
    """Writes text of a model to stdout at once: on a terminal with control characters shown, elsewhere as it is.

    Raises:
        Failure: It can't be written, such as to a full disk.
    """
    try:
        with ends_unread():
            _write(text)
    except OSError as error:
        drop_unwritten()
        raise Failure(f"standard output: {error.strerror}: give it a place that can be written") from None


def _write(text: str) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(visible(text))
    else:
        # Whatever the locale is: a file gets what the model has written.
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()


@contextmanager
def ends_unread() -> Iterator[None]:
    """Ends the command as SIGPIPE ends others, where nobody reads any more what it writes."""
    try:
        yield
    except BrokenPipeError:
        drop_unwritten()
        raise click.exceptions.Exit(UNREAD) from None


def drop_unwritten() -> None:
    """Drops what stdout could not take: the interpreter would fail at it once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def note(text: str) -> None:
    """Writes a line to stderr, if a person may read it."""
    if sys.stderr.isatty():
        print(visible(text), file=sys.stderr)


def write_error(text: str) -> None:
    """Writes text of a model to stderr at once: on a terminal with control characters shown."""
    sys.stderr.write(visible(text) if sys.stderr.isatty() else text)
    sys.stderr.flush()
