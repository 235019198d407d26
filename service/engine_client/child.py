"""The operating system's side of an engine: its process is spawned here, and ended."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

ENGINE_COMMAND: Final = (sys.executable, "-m", "service.engine.process.worker")


async def spawn(command: Sequence[str]) -> asyncio.subprocess.Process:
    """Starts an engine's process, which waits for its config."""
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in a terminal is for the service, which then drains
    )


async def kill(process: asyncio.subprocess.Process) -> None:
    """Ends a process and its children at once, unless it has ended, and waits until it is gone."""
    if process.returncode is None:
        # Not Process.kill(), which polls and so may take the exit status from asyncio's own waiting.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session, which has no other processes
    await process.wait()
