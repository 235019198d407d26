"""The loop of a worker: requests in as lines of JSON, times of tokens out."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

Times = list[list[float]]
"""When each token of each sequence came, in seconds since all were asked for."""


class Engine(Protocol):
    """An engine that is ready."""

    def generate(self, prompts: list[list[int]], num_new_tokens: int) -> Times:
        """Answers prompts that come at once, greedily, each with so many tokens."""
        ...


def work(make: Callable[[dict[str, Any]], Engine]) -> None:
    """Makes an engine and lets it answer until standard input ends.

    Args:
        make: Makes it by the command line's options. It imports the library, so that all its threads are pinned.
    """
    options = json.loads(sys.argv[1])
    pin(options.get("core"))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print to standard output
    begun_at = time.perf_counter()
    engine = make(options)
    print(json.dumps({"ready_s": time.perf_counter() - begun_at}), file=answers, flush=True)
    for line in sys.stdin:
        times_s = engine.generate(**json.loads(line))
        print(json.dumps({"times_s": times_s, "peak_mib": peak_mib()}), file=answers, flush=True)


def pin(core: int | None) -> None:
    """Keeps the process on a core, before all others there if the system lets it."""
    if core is None or not hasattr(os, "sched_setaffinity"):  # macOS has no such call
        return
    os.sched_setaffinity(0, {core})
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        print("no real-time priority: other processes on this core slow it down", file=sys.stderr)


def peak_mib() -> float:
    """The most memory that this process has had; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
