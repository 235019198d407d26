"""A streamed answer on its way out: server-sent events over one response, kept alive while nothing comes."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from aiohttp import HttpVersion11, web

from bridge.config import CONFIG
from bridge.errors import AiError
from bridge.http import sse
from bridge.http.access_log import ACCESS
from bridge.http.metrics import METRICS

# The request's streamed answer, from when its headers are sent: no other status can be told any more.
STREAM = web.RequestKey("stream", web.StreamResponse)

# How the error that ends this stream is told, given the request's id, where the surface's own way won't do.
STREAM_FAILURE: web.RequestKey[Callable[[AiError, str], bytes]] = web.RequestKey("stream_failure")

KEEP_ALIVE: Final = b": keep-alive\n\n"


class EventStream:
    """Writes a request's events. A context manager: leaving it ends the keep-alive comments.

    The headers go out with the first event, or with the first comment: until then a failure can be told by the status.

    Args:
        http_request: The request.
        headers: Headers of its answer, besides those of every stream.
    """

    def __init__(self, http_request: web.Request, headers: dict[str, str]) -> None:
        self._http_request = http_request
        self._response = web.StreamResponse(headers={**sse.HEADERS, **headers})
        self._silence_s = http_request.app[CONFIG].keep_alive_s
        self._opening = asyncio.Lock()
        self._has_events = False

    async def __aenter__(self) -> Self:
        self._written_at = time.monotonic()
        self._keeping_alive = asyncio.create_task(self._keep_alive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Before anything that may be cancelled: a client may leave as soon as it has the last event.
        if STREAM in self._http_request:
            self._http_request.app[METRICS].streams_open.dec()
        self._keeping_alive.cancel()
        await asyncio.wait({self._keeping_alive})

    @property
    def response(self) -> web.StreamResponse:
        """The response that the handler returns."""
        return self._response

    async def write(self, events: bytes, *, is_last: bool = False) -> None:
        """Writes whole events.

        Args:
            events: The events; those that end with `[DONE]` are the last.
            is_last: Whether they are the last without it.
        """
        if not events:
            return
        await self._send(events)
        access = self._http_request[ACCESS]
        if not self._has_events:
            self._has_events = True
            access.time_to_first_event_s = time.perf_counter() - access.started_at
            self._http_request.app[METRICS].time_to_first_event.observe(access.time_to_first_event_s)
        access.is_answered = is_last or events.endswith(sse.DONE)

    async def _send(self, data: bytes) -> None:
        self._written_at = time.monotonic()
        if STREAM not in self._http_request:
            await self._open()
        await self._response.write(data)

    async def _open(self) -> None:
        async with self._opening:
            if STREAM not in self._http_request:
                if self._http_request.version < HttpVersion11:
                    # Its end is the connection's. aiohttp says so in the header, and then keeps it open.
                    self._response.force_close()
                await self._response.prepare(self._http_request)
                self._http_request[STREAM] = self._response
                self._http_request.app[METRICS].streams_open.inc()

    async def _keep_alive(self) -> None:
        """Proxies and clients take a connection on which nothing comes for a minute or two for dead."""
        with contextlib.suppress(ConnectionResetError):  # whoever writes the next event meets it too
            while True:
                silent_s = time.monotonic() - self._written_at
                if silent_s < self._silence_s:
                    await asyncio.sleep(self._silence_s - silent_s)
                else:
                    await self._send(KEEP_ALIVE)
