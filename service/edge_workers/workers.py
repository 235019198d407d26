"""The edge workers of a service: their port, their processes, and the calls that they pass on."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import grpc

from service.config import ConfigError, ServiceConfig
from service.edge_workers.handlers import Handlers
from service.edge_workers.link import Link
from service.edge_workers.messages import Listening, Stop

_log = logging.getLogger(__name__)

Options = tuple[tuple[str, Any], ...]

MINUTE_S: Final = 60.0
MAX_PAUSE_S: Final = 5.0
# How long a worker may take beyond the grace.
SLACK_S: Final = 3.0


class EdgeWorkers(Handlers):
    """Stands in for a gRPC server: the same handlers, answered through several processes.

    Args:
        config: The settings.
        interceptors: See `Handlers`.
        options: gRPC's, for each worker.

    Attributes:
        are_whole: Set while all of them listen.
    """

    def __init__(
        self, config: ServiceConfig, interceptors: Sequence[grpc.aio.ServerInterceptor], options: Options
    ) -> None:
        super().__init__(interceptors)
        self.are_whole = asyncio.Event()
        self._config = config
        own = {"grpc.so_reuseport"}
        self._options = (*(each for each in options if each[0] not in own), ("grpc.so_reuseport", 1))
        self._held = contextlib.ExitStack()
        self._port = 0
        self._links: dict[int, Link] = {}
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._is_stopping = False

    @property
    def pids(self) -> list[int]:
        """The process ids of those that run."""
        return [process.pid for process in self._processes.values() if process.returncode is None]

    def take_port(self) -> int:
        """Keeps the port, so that it stays the service's while a worker is missing; nobody listens there yet.

        Raises:
            ConfigError: It can't be had.
        """
        config = self._config
        family, kind, protocol, _, where = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        held = self._held.enter_context(socket.socket(family, kind, protocol))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            held.bind(where)
        except OSError as error:
            raise ConfigError(f"can't listen on {config.host} port {config.port} (--port): {error.strerror}") from None
        self._port = int(held.getsockname()[1])
        return self._port

    async def start(self) -> None:
        """Starts the workers, and returns once all listen.

        Raises:
            ConfigError: One can't.
        """
        numbers = range(self._config.edge_workers)
        links = await asyncio.gather(*(self._start(number) for number in numbers))
        self._keeping = [asyncio.create_task(self._keep(number, link)) for number, link in enumerate(links)]
        self.are_whole.set()

    async def stop(self, grace_s: float | None) -> None:
        """Takes no calls any more, ends those that go on for longer than the grace, and the workers."""
        self._is_stopping = True
        for link in self._links.values():
            link.send(Stop(grace_s or 0.0))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout((grace_s or 0.0) + SLACK_S):
                await asyncio.gather(*(process.wait() for process in self._processes.values()))
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        for link in self._links.values():
            link.close()
        for process in self._processes.values():
            await _kill(process)
        self._held.close()

    async def _start(self, number: int) -> Link:
        own, its = socket.socketpair()
        with its:
            process = self._processes[number] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "service.edge_workers.worker", str(its.fileno())),
                pass_fds=(its.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is for the service, which then drains
            )
        link = self._links[number] = await Link.over(own)
        link.send((self._config, self._port, self._options))
        first = await link.receive() or Listening("it ended before it listened")
        if first.error:
            link.close()
            await _kill(process)
            raise ConfigError(f"an edge worker can't listen on port {self._port}: {first.error}")
        return link

    async def _keep(self, number: int, link: Link) -> None:
        """Answers a worker's calls, and starts it again whenever it has ended."""
        died_at: deque[float] = deque(maxlen=16)
        while True:
            await self.serve(link)
            self.are_whole.clear()
            link.close()
            status = await self._processes[number].wait()
            if self._is_stopping:
                return
            died_at.append(time.monotonic())
            num_recent = sum(died_at[-1] - each < MINUTE_S for each in died_at)
            pause_s = min(MAX_PAUSE_S, 0.1 * 2 ** (num_recent - 2)) if num_recent > 1 else 0.0
            _log.error("edge worker %d ended with status %d: started again in %.1f s", number, status, pause_s)
            await asyncio.sleep(pause_s)
            try:
                link = await self._start(number)
            except ConfigError as error:
                _log.error("%s", error)
            else:
                _log.warning("edge worker %d listens again", number)
                if len(self.pids) == self._config.edge_workers:
                    self.are_whole.set()


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    await process.wait()
