"""A neighbour that takes a part of a core, as the edge does while it answers: threads are tried beside it."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

_PROGRAM = """
import select, sys, time
while not select.select([sys.stdin], [], [], 0.004)[0]:
    until = time.perf_counter() + 0.001
    while time.perf_counter() < until:
        pass
"""
"""Works for one of five milliseconds, until its input ends: so much of a core does the edge take for some streams."""


@contextlib.contextmanager
def busy_neighbour() -> Iterator[None]:
    """A process works beside what is within, and ends with this one, whichever way that ends."""
    neighbour = subprocess.Popen([sys.executable, "-I", "-S", "-c", _PROGRAM], stdin=subprocess.PIPE)  # noqa: S603
    try:
        yield
    finally:
        assert neighbour.stdin is not None
        neighbour.stdin.close()
        neighbour.wait()
