"""The end of the process that started this one."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

LOOK_S: Final = 0.25
ENDING: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


async def parent_has_ended() -> None:
    """Returns once the process that started this one has died or, on Linux, has been told to end.

    GNU make hands SIGTERM on to what it runs, but neither SIGINT nor SIGHUP: it leaves these to the terminal, and
    waits. The only trace is that it no longer catches the signal that it got, so as to die of it in the end.
    """
    parent = os.getppid()
    caught = _caught(parent)
    while os.getppid() == parent and caught <= _caught(parent):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(LOOK_S)


def _caught(pid: int) -> set[signal.Signals]:
    """Which signals that end a process it handles itself; none where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return set()
    mask = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:")), 0)
    return {number for number in ENDING if mask & (1 << (number - 1))}
