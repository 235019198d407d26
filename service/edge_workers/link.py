"""One end of the socket between the service and an edge worker."""

import asyncio
import socket
from collections import deque
from typing import Any

from service.engine_protocol.framing import pack, receive_from


class Link:
    """Sends and receives messages. What is sent within one turn of the event loop goes in one frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._unsent: list[Any] = []
        self._unread: deque[Any] = deque()
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def over(cls, end: socket.socket) -> "Link":
        """A link over one of two sockets that are connected."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    def send(self, message: Any) -> None:
        """Sends a message; to an end that is gone it means nothing."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(message)

    async def receive(self) -> Any | None:
        """The next message; None once the other end is gone."""
        while not self._unread:
            try:
                self._unread += await receive_from(self._reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
        return self._unread.popleft()

    def close(self) -> None:
        """Sends what is left, and ends it."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and not self._writer.is_closing():
            self._writer.write(pack(unsent))
