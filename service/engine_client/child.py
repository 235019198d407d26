"""The operating system's side of an engine: its process is spawned here, and ended."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.framing import pack, receive_from

ENGINE_COMMAND: Final = (sys.executable, "-m", "service.engine.process")


# Products on a CPU keep what was made for each of their shapes, for 1024 shapes in each of two caches unless told
# otherwise (oneDNN's of primitives, PyTorch's above it). Prompts of all lengths fill these with hundreds of MiB.
_SMALL_CACHES: Final = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128", "LRU_CACHE_CAPACITY": "128"}


async def spawn(command: Sequence[str], config: EngineConfig) -> asyncio.subprocess.Process:
    """Starts an engine's process and sends its config, which it waits for."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=_SMALL_CACHES | os.environ,
        start_new_session=True,  # Ctrl-C in a terminal is for the service, which then drains
    )
    assert process.stdin is not None
    process.stdin.write(pack(config))
    return process


async def messages_of(process: asyncio.subprocess.Process) -> AsyncIterator[Any]:
    """Reads what a process sends, message by message, until it ends."""
    assert process.stdout is not None
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            yield await receive_from(process.stdout)


async def kill(process: asyncio.subprocess.Process) -> None:
    """Ends a process and its children at once, unless it has ended, and waits until it is gone."""
    send_kill(process)
    await process.wait()


def send_kill(process: asyncio.subprocess.Process | None) -> None:
    """Ends a process and its children at once, stopped ones too, unless it has ended or there is none."""
    if process is not None and process.returncode is None:
        # Not Process.kill(), which polls and so may take the exit status from asyncio's own waiting.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session, which has no other processes
