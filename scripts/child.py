"""A process of ours that `make run` starts and ends."""

import asyncio
import contextlib
import os
import sys
from collections import deque
from pathlib import Path
from typing import BinaryIO

from scripts.output_lines import OutputLines
from scripts.progress import ProgressLine

LEASH = Path(__file__).with_name("leash.py")
# Longer than the 5 s that the bridge gives running answers, after which nothing runs in the service either.
GRACE_S = 8.0
# How long its output is waited for once it has ended: what has left its group may hold the pipe for ever.
LAST_OUTPUT_S = 2.0
PIECE_BYTES = 1 << 16
MAX_LAST_WORDS = 500


class Child:
    """A command on a leash: it ends when asked to, and also when this process dies."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, output: BinaryIO, progress: ProgressLine
    ) -> None:
        self.name = name
        self._process = process
        self._output = output
        self._progress = progress
        self._last_lines: deque[str] = deque(maxlen=3)
        self._ended = asyncio.create_task(self._pass_output_on())

    @classmethod
    async def start(cls, name: str, command: list[str], progress: ProgressLine) -> "Child":
        """Starts the command, away from the terminal's Ctrl-C."""
        # A pipe of its own: asyncio takes a process that has ended for running until nobody has its pipes any more.
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(LEASH), str(GRACE_S), *command),
                stdin=asyncio.subprocess.PIPE,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
            )
        finally:
            os.close(writing)
        return cls(name, process, os.fdopen(reading, "rb", buffering=0), progress)

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
        """The last line that the command printed, or the beginning of a long one."""
        last = next((line for line in reversed(self._last_lines) if line.strip()), "it said nothing")
        return last if len(last) <= MAX_LAST_WORDS else f"{last[:MAX_LAST_WORDS]}…"

    async def _pass_output_on(self) -> int:
        reading = asyncio.create_task(self._read())
        status = await self._process.wait()
        await asyncio.wait({reading}, timeout=LAST_OUTPUT_S)
        reading.cancel()
        self._say([f"ended with exit status {status}"])
        return status

    async def _read(self) -> None:
        pieces, lines = asyncio.StreamReader(), OutputLines()
        loop = asyncio.get_running_loop()
        pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(pieces), self._output)
        with contextlib.closing(pipe):
            while piece := await pieces.read(PIECE_BYTES):
                self._take(lines.feed(piece))
            self._take(lines.finish())

    def _take(self, lines: list[str]) -> None:
        self._last_lines.extend(lines)
        self._say(lines)

    def _say(self, lines: list[str]) -> None:
        self._progress.clear()
        for line in lines:
            print(f"{self.name:7} | {line}", flush=True)
