"""Taking connections: as many as are allowed, the others refused at once, and none forgotten in a handshake."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Final

from aiohttp import web

from bridge.http.connection import Runner
from bridge.http.timed_connection import plain_answer

logger = logging.getLogger(__name__)

BACKLOG: Final = 128

# After so many, those that were taken get a turn.
MAX_TAKEN_AT_ONCE: Final = 16

# Without a free descriptor, accepting fails until there is one: asked again at once, it would only heat the processor.
PAUSE_S: Final = 0.2

REFUSAL: Final = plain_answer(
    HTTPStatus.SERVICE_UNAVAILABLE, "all connections are in use: ask again", "Retry-After: 2\r\n"
)

# A connection that is closed with something unread is reset, which may take the refusal away from its client. So what
# the client sends is read first, for a while, of so many at once.
MAX_LAST_READS: Final = 32
LAST_READ_S: Final = 1.0


async def bind(host: str, port: int) -> list[socket.socket]:
    """Binds sockets to all addresses of a host.

    Raises:
        OSError: One can't be used.
    """
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
    bound = [each.dup() for each in server.sockets]
    server.close()
    return bound


class Site(web.BaseSite):
    """Serves the application of a runner on sockets.

    Args:
        runner: The runner, set up.
        sockets: Sockets that are bound. They are closed with the site.
        ssl_context: For TLS; None for plain HTTP.
    """

    def __init__(self, runner: Runner, sockets: list[socket.socket], ssl_context: ssl.SSLContext | None = None) -> None:
        super().__init__(runner, ssl_context=ssl_context)
        self._listening = _Listening(runner, sockets, ssl_context)

    @property
    def name(self) -> str:
        """The addresses that it listens on."""
        return ", ".join(str(each.getsockname()) for each in self._listening.sockets)

    async def start(self) -> None:
        """Takes connections from now on."""
        await super().start()
        # aiohttp asks it for nothing but its sockets, and to close.
        self._server = self._listening  # type: ignore[assignment]
        self._listening.start()


class _Listening:
    """Takes connections where asyncio's server would take any number, and fill the log when descriptors run out."""

    def __init__(self, runner: Runner, sockets: list[socket.socket], ssl_context: ssl.SSLContext | None) -> None:
        assert runner.server is not None, "web.BaseSite refuses a runner that is not set up"
        self._connect = runner.server
        self._open_connections = runner.open_connections
        self.sockets = sockets
        self._ssl_context = ssl_context
        self._handshake_timeout_s = runner.patience.head_s if ssl_context else None
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._num_last_reads = 0

    def start(self) -> None:
        """Takes connections from now on."""
        for each in self.sockets:
            each.listen(BACKLOG)
            each.setblocking(False)
            self._spawn(self._take_all(each))

    def close(self) -> None:
        """Takes none any more, and ends those that are being set up or refused."""
        for task in self._tasks:
            task.cancel()
        for each in self.sockets:
            self._loop.remove_reader(each)
            each.close()

    async def _take_all(self, listening: socket.socket) -> None:
        num_taken = 0
        while True:
            try:
                taken, _ = await self._loop.sock_accept(listening)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                logger.error("no connection can be taken: %s", error.strerror)
                await asyncio.sleep(PAUSE_S)
                continue
            self._take(taken)
            num_taken += 1
            if num_taken % MAX_TAKEN_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _take(self, taken: socket.socket) -> None:
        if self._open_connections.make_room():
            self._open_connections.come()
            self._spawn(self._serve(taken))
            return
        self._open_connections.count_end("refused")
        logger.warning("all %d connections are in use: others are refused", len(self._open_connections))
        if self._ssl_context is None and self._num_last_reads < MAX_LAST_READS:
            self._num_last_reads += 1
            self._spawn(self._refuse(taken))
        else:
            taken.close()

    async def _serve(self, taken: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):  # no handshake came about, or the client has left
                await self._loop.connect_accepted_socket(
                    self._connect, taken, ssl=self._ssl_context, ssl_handshake_timeout=self._handshake_timeout_s
                )
        finally:
            self._open_connections.came()

    async def _refuse(self, taken: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError), taken:  # of which TimeoutError is one
                async with asyncio.timeout(LAST_READ_S):
                    taken.send(REFUSAL)
                    taken.shutdown(socket.SHUT_WR)
                    while await self._loop.sock_recv(taken, 65_536):
                        pass
        finally:
            self._num_last_reads -= 1

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
