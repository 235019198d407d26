"""Connections with an end for whoever does not go on: a silent client, one that sends a head slowly, or does not read.

Bodies have their own limit, see `body`; the wait between two requests is aiohttp's `keepalive_timeout`.
"""

import asyncio
import contextlib
import fcntl
import logging
import struct
import termios
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from bridge.http.access_log import ACCESS
from bridge.http.open_connections import OpenConnections

logger = logging.getLogger(__name__)

PRODUCT: Final = "Runstream"

# All that stands before a body; aiohttp limits each line of it to 8,190 bytes, and their number to 128.
MAX_HEAD_BYTES: Final = 64 * 1024

# A client that takes so much while it is waited for gets as much time again.
LEAST_TAKEN_BYTES: Final = 16 * 1024

# How many requests may wait on a connection behind the one that is being answered.
MAX_PIPELINED: Final = 8


@dataclass(frozen=True)
class Patience:
    """For how many seconds a connection is waited for.

    Attributes:
        head_s: For the head of a request, from its first byte on; for the first byte, from the beginning.
        write_s: For a client to take `LEAST_TAKEN_BYTES` of what is written, or the rest of it.
    """

    head_s: float
    write_s: float


def plain_answer(status: HTTPStatus, text: str, headers: str = "") -> bytes:
    """An answer of the layer below the routes, which no request is known to; the connection ends with it."""
    body = f"{text}\n".encode()
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: {PRODUCT}\r\nConnection: close\r\n{headers}"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class TimedConnection(web.RequestHandler):
    """aiohttp's connection, which by itself waits for a head and for a reader without end.

    Args:
        open_connections: Where it is counted.
        patience: How long it waits.
        args: See `web.RequestHandler`.
        options: See `web.RequestHandler`.
    """

    def __init__(self, open_connections: OpenConnections, patience: Patience, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # What is parsed ahead is held in memory: aiohttp would take 32 requests with 1 MB of headers each.
        self._max_msg_queue_size = MAX_PIPELINED
        self._msg_queue_resume_size = MAX_PIPELINED // 2
        self._open_connections = open_connections
        self._patience = patience
        self._stream: asyncio.Transport | None = None  # aiohttp forgets it while it is still being closed
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._num_head_bytes = 0
        self._num_unread_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, or for the rest of one's head."""
        return self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the first byte."""
        super().connection_made(transport)
        self._stream = self.transport
        self._open_connections.hear(self)
        self._head_timer = self._loop.call_later(self._patience.head_s, self._end_slow_head)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Waits for nothing any more."""
        self._open_connections.forget(self)
        self._stream = None
        self._stop_head_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what has come, and waits for the rest of its head if it is the beginning of one."""
        if data:  # aiohttp calls it with nothing to go on with what it has
            self._open_connections.hear(self)
        was_idle = self.is_idle
        if was_idle and self._num_head_bytes + len(data) > MAX_HEAD_BYTES and self._has_long_head(data):
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is too long", "long_head")
            return
        super().data_received(data)
        if not self.is_idle:
            self._num_head_bytes = 0
            self._stop_head_timer()
        elif was_idle and data:
            if not self._num_head_bytes:
                self._stop_head_timer()
                self._head_timer = self._loop.call_later(self._patience.head_s, self._end_slow_head)
            self._num_head_bytes += len(data)

    def pause_writing(self) -> None:
        """Waits for the client to take what is written."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """Goes on: the client has taken some."""
        self._stop_write_timer()
        super().resume_writing()

    async def start(self) -> None:
        """Answers requests until the connection is to end; then the client has to take what is left."""
        try:
            await super().start()
        finally:
            self._start_write_timer()

    def abort(self) -> None:
        """Ends the connection at once, whatever is not sent yet."""
        if self._stream is not None:
            self._stream.abort()

    def read_no_more(self) -> None:
        """Waits for no rest of the request's body, once it is answered."""
        self._lingering_time = 0.0

    def _has_long_head(self, data: bytes) -> bool:
        end = data.find(b"\r\n\r\n")
        return self._num_head_bytes + (len(data) if end < 0 else end) > MAX_HEAD_BYTES

    def _end_slow_head(self) -> None:
        self._head_timer = None
        if not self.is_idle:
            return
        if self._num_head_bytes:
            text = f"the head of the request did not come within {self._patience.head_s:g} s"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, text, "slow_head")
        else:
            self._open_connections.count_end("silent")
            self.force_close()

    def _refuse(self, status: HTTPStatus, text: str, reason: str) -> None:
        if self.transport is not None:
            self.transport.write(plain_answer(status, text))
        self._open_connections.count_end(reason)
        self.force_close()

    def _start_write_timer(self) -> None:
        if self._write_timer is None and self._stream is not None:
            self._num_unread_bytes = _num_unread_bytes(self._stream)
            self._write_timer = self._loop.call_later(self._patience.write_s, self._end_slow_reader)

    def _end_slow_reader(self) -> None:
        self._write_timer = None
        if self._stream is None:
            return
        if self._stream.get_write_buffer_size():
            if self._num_unread_bytes - _num_unread_bytes(self._stream) >= LEAST_TAKEN_BYTES:
                self._start_write_timer()
                return
            limit_s = self._patience.write_s
            self._open_connections.count_end("slow_reader")
            logger.warning("a client took next to nothing of its answer for %g s: its connection ends", limit_s)
            if self._current_request is not None and ACCESS in self._current_request:
                self._current_request[ACCESS].error = f"SLOW_READER: {limit_s:g} s"
        self._stream.abort()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def _num_unread_bytes(transport: asyncio.Transport) -> int:
    """The bytes written that its reader has not taken, what waits in the kernel included where that tells."""
    in_kernel = b"\0" * struct.calcsize("i")
    with contextlib.suppress(OSError):
        in_kernel = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, in_kernel)
    return transport.get_write_buffer_size() + int(struct.unpack("i", in_kernel)[0])
