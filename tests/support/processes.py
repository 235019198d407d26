"""Other processes' ends, seen without a clock."""

import os
import select

import psutil
import pytest

needs_pidfd = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="only Linux tells of the end of others' processes"
)


def handles_of_descendants(pid):
    """A file descriptor for each process that a process or its descendants started; it is readable when that ends."""
    return [os.pidfd_open(descendant.pid) for descendant in psutil.Process(pid).children(recursive=True)]


def wait_for_the_end_of(handles):
    """Returns once each of these processes has ended; fails if one goes on for a minute."""
    for handle in handles:
        assert select.select([handle], [], [], 60)[0]
        os.close(handle)


def read_until(words, output):
    """Reads a process's output up to a line with these words; returns it, and fails if it ends before."""
    said = []
    for line in output:
        said.append(line)
        if words in line:
            return "".join(said)
    return pytest.fail(f"it ended without {words!r}:\n" + "".join(said))
