"""Connections on which a client may end its side first: it still gets its answer, unless it has left.

A client that ends its side of a TCP connection looks like one that has closed all of it. They differ once something is
written: only the machine of a closed one answers with a reset. So something is written that means nothing. If a reset
comes, the handler is cancelled, as at any other end of a connection.
"""

import asyncio
import contextlib
import logging
import socket
from typing import Any, Final

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_exceptions import BadHttpMethod

from bridge.config import CONFIG
from bridge.http.event_stream import KEEP_ALIVE, STREAM
from bridge.http.metrics import METRICS
from bridge.http.open_connections import OpenConnections
from bridge.http.timed_connection import PRODUCT, Patience, TimedConnection

logger = logging.getLogger(__name__)

# In aiohttp's message when the first bytes are those of a handshake.
HTTPS: Final = "HTTPS traffic"

# RFC 9110, 15.2: a client must be able to get one that it has not asked for. Of all of them this is the one that even
# those skip which do not know the others.
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

FIRST_LOOK_S: Final = 0.05
LOOK_PERIOD_S: Final = 0.1


class Connection(TimedConnection):
    """aiohttp's connection, which by itself would end with the client's side of it."""

    _probing: asyncio.Task[None] | None = None
    _has_probed = False

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes True for "keep it open", aiohttp has None
        """Keeps the connection open until what was asked is answered."""
        # Over TLS asyncio ends the connection whatever is said here: whoever ends its side there has left.
        if self.is_idle or (self.transport is not None and self.transport.get_extra_info("sslcontext") is not None):
            return False
        self._loop.call_later(FIRST_LOOK_S, self._look)
        return True

    def handle_error(self, *args: Any, **kwargs: Any) -> web.StreamResponse:
        """The answer to what is no HTTP, which no application sees."""
        response = super().handle_error(*args, **kwargs)
        if any(isinstance(given, BadHttpMethod) and HTTPS in given.message for given in (*args, *kwargs.values())):
            logger.warning("a client spoke TLS, which this port has not: it has to ask http://, or give --tls-cert")
        response.headers[hdrs.SERVER] = PRODUCT
        return response

    def _look(self) -> None:
        """Sees whether anybody is left to be answered."""
        transport = self.transport
        if transport is None:
            return
        self._loop.call_later(LOOK_PERIOD_S, self._look)
        if self.is_idle:
            self.force_close()
        elif not self._can_answer(transport):
            transport.abort()

    def _can_answer(self, transport: asyncio.Transport) -> bool:
        http_request = self._current_request
        if http_request is not None:
            if not http_request.content.is_eof():
                return False  # the rest of its body will never come
            if not self._has_probed:
                self._has_probed = True
                if not self._probe(transport, http_request):
                    return False
        return not transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def _probe(self, transport: asyncio.Transport, http_request: web.BaseRequest) -> bool:
        """Writes what a client that has left answers with a reset; False if nothing can be written yet."""
        if STREAM in http_request:
            self._probing = self._loop.create_task(_comment(http_request[STREAM]))
            return True
        if http_request.version < HttpVersion11:
            return False
        transport.write(CONTINUE)
        return True


async def _comment(stream: web.StreamResponse) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):  # it may have ended meanwhile
        await stream.write(KEEP_ALIVE)


class _Server(web.Server):
    """Makes connections of ours."""

    def __init__(self, handler: Any, open_connections: OpenConnections, patience: Patience, **options: Any) -> None:
        super().__init__(handler, **options)
        self._open_connections = open_connections
        self._patience = patience

    def __call__(self) -> Connection:
        return Connection(self._open_connections, self._patience, self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """aiohttp's runner with connections of ours, and with all that the application relies on.

    Args:
        app: The application.
        shutdown_timeout: How many seconds handlers get to end once the application has shut down.

    Attributes:
        open_connections: Its connections.
        patience: How long they wait.
    """

    def __init__(self, app: web.Application, shutdown_timeout: float = 60.0) -> None:
        config = app[CONFIG]
        self.open_connections = OpenConnections(config.max_connections, app[METRICS].count_ended_connection)
        app[METRICS].watch_connections(lambda: len(self.open_connections))
        self.patience = Patience(config.head_timeout_s, config.write_timeout_s)
        super().__init__(
            app,
            # Without it a handler, and with it the generation, goes on after its client has left.
            handler_cancellation=True,
            access_log=None,
            # Bodies are decoded by `content_encoding`: aiohttp's own errors are plain text, and it takes cut gzip for
            # whole.
            auto_decompress=False,
            keepalive_timeout=config.idle_timeout_s,
            shutdown_timeout=shutdown_timeout,
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            self.open_connections,
            self.patience,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,
            **made._kwargs,
        )
