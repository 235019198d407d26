"""A process of ours that `make run` starts and ends."""

import asyncio
import sys
from collections import deque
from pathlib import Path

from scripts.progress import ProgressLine

LEASH = Path(__file__).with_name("leash.py")
# Longer than the 5 s that the bridge gives running answers, after which nothing runs in the service either.
GRACE_S = 8.0


class Child:
    """A command on a leash: it ends when asked to, and also when this process dies."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, progress: ProgressLine) -> None:
        self.name = name
        self._process = process
        self._progress = progress
        self._last_lines: deque[str] = deque(maxlen=3)
        self._ended = asyncio.create_task(self._pass_output_on())

    @classmethod
    async def start(cls, name: str, command: list[str], progress: ProgressLine) -> "Child":
        """Starts the command, away from the terminal's Ctrl-C."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(LEASH), str(GRACE_S), *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        return cls(name, process, progress)

    async def end(self) -> int:
        """Waits until the command has ended by itself; returns its exit status."""
        return await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Asks the command to end and waits until it and all that it started are gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self.end()

    def kill(self) -> None:
        """Ends the command without waiting for what it is doing."""
        if self._process.returncode is None:
            self._process.terminate()

    def last_words(self) -> str:
        """The last line the command printed."""
        return next((line for line in reversed(self._last_lines) if line.strip()), "it said nothing")

    async def _pass_output_on(self) -> int:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode(errors="replace").rstrip()
            self._last_lines.append(text)
            self._progress.clear()
            print(f"{self.name:7} | {text}", flush=True)
        status = await self._process.wait()
        print(f"{self.name:7} | ended with exit status {status}", flush=True)
        return status
