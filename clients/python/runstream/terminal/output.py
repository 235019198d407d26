"""What is written for people and for other programs."""

import sys

from runstream.terminal.escapes import visible


def write(text: str) -> None:
    """Writes text of a model to stdout at once: on a terminal with control characters shown, elsewhere as it is."""
    if sys.stdout.isatty():
        sys.stdout.write(visible(text))
    else:
        # Whatever the locale is: a file gets what the model has written.
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()


def note(text: str) -> None:
    """Writes a line to stderr, if a person may read it."""
    if sys.stderr.isatty():
        print(visible(text), file=sys.stderr)
