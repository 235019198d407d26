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
from transport.heap import without_settings

ENGINE_COMMAND: Final = (sys.executable, "-m", "service.engine.process")


# Products on a CPU keep what was made for each of their shapes, for 1024 shapes in each of two caches unless told
# otherwise (oneDNN's of primitives, PyTorch's above it). Prompts of all lengths fill these with hundreds of MiB.
_SMALL_CACHES: Final = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128", "LRU_CACHE_CAPACITY": "128"}


class Spawner:
    """Starts engines' processes. One may be started before its config is made, to import what it needs meanwhile.

    Args:
        command: The command that starts them.
    """

    def __init__(self, command: Sequence[str] = ENGINE_COMMAND) -> None:
        self._command = command
        self._ahead: asyncio.subprocess.Process | None = None

    async def spawn_ahead(self) -> None:
        """Starts the process that the next `spawn` gives its config."""
        self._ahead = await self._start()

    async def spawn(self, config: EngineConfig) -> asyncio.subprocess.Process:
        """Starts a process, unless one is there, and sends its config, which it waits for."""
        ahead, self._ahead = self._ahead, None
        process = ahead or await self._start()
        assert process.stdin is not None
        process.stdin.write(pack(config))
        return process

    async def end_unused(self) -> None:
        """Ends the process that was started ahead if it got no config."""
        if self._ahead is not None:
            await kill(self._ahead)
            self._ahead = None

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_SMALL_CACHES | without_settings(os.environ),
            start_new_session=True,  # Ctrl-C in a terminal is for the service, which then drains
        )


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
