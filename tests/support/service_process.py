"""The service as a process, as `python -m service` starts it."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", "service", "--port", "0", "--metrics-port", "0", *map(str, options)]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
