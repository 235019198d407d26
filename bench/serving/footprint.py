"""What a process holds of the machine, from /proc: memory that is its own, open files, threads."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Footprint:
    """At one moment.

    Attributes:
        memory_kib: RssAnon and VmSwap together, so that what is swapped out still counts.
        num_files: Open file descriptors, connections included.
        num_threads: Threads.
    """

    memory_kib: int
    num_files: int
    num_threads: int


def footprint(pid: int) -> Footprint:
    """Reads proc(5)'s status and fd of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    memory_kib = int(fields["RssAnon"][0]) + int(fields["VmSwap"][0])
    return Footprint(memory_kib, len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"][0]))
