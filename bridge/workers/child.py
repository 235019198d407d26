"""One worker as the process that started it knows it."""

import asyncio
import contextlib
import json
import os
import pickle
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from bridge.config import Config
from bridge.http.worker_group import WorkerGroup
from bridge.workers.places import Places


class WorkerError(Exception):
    """A worker can't begin; the text says why."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The settings that a worker gets at its start.

    Attributes:
        config: The settings.
        group: The workers that it is one of.
        descriptors: The sockets to listen on.
    """

    config: Config
    group: WorkerGroup
    descriptors: tuple[int, ...]


class Child:
    """A worker's process: spawned, for gRPC can't be forked, and ended. It ends too when its standard input does.

    Args:
        config: The settings.
        group: The workers that it is one of.
        places: Where it listens.
    """

    def __init__(self, config: Config, group: WorkerGroup, places: Places) -> None:
        self._config = config
        self._group = group
        self._places = places
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 before its start."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Starts it, and returns once it listens.

        Raises:
            WorkerError: It does not come to that.
        """
        with contextlib.ExitStack() as stack:
            descriptors = tuple(each.fileno() for each in self._places.of_worker(stack))
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bridge.workers.worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C in a terminal is for the process that started it
                env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(self._group.folder)},
            )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps(Assignment(self._config, self._group, descriptors)))
        told = await process.stdout.readline()
        error = json.loads(told)["error"] if told else f"worker {self._group.index} ended before it listened"
        if error:
            raise WorkerError(error)

    async def end(self) -> int:
        """Waits until it has ended; returns its exit status, negative for a signal."""
        assert self._process is not None
        return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, unless it has ended."""
        if self._process and self._process.returncode is None:
            # Not Process.send_signal(), which polls and so may take the exit status from asyncio's own waiting.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def stop(self, grace_s: float) -> None:
        """Lets it drain for as long as that takes, and ends it after the grace."""
        if self._process is None:
            return
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.end(), grace_s)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.end()


def group_of(config: Config, index: int, folder: Path) -> WorkerGroup:
    """The workers as one of them sees them."""
    return WorkerGroup(index, config.workers, folder)
