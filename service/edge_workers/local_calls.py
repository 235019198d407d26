"""Calls that another server in this process has taken, for the service's handlers to answer."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterable

from service.edge_workers.handlers import Handlers
from service.edge_workers.messages import Begin, End, Initial, Metadata, Part, ToWorker, Wanted
from service.edge_workers.remote_call import RemoteCall


class LocalCalls(Handlers):
    """Stands in for a gRPC server: the same handlers, for calls that come by `call`. It has no port."""

    _numbers = itertools.count(1)

    async def start(self) -> None:
        """Does nothing: whoever has the calls has connections of its own."""

    async def stop(self, grace_s: float | None) -> None:
        """Does nothing: whoever has the calls ends them."""

    def call(self, method: str, metadata: Iterable[tuple[str, str | bytes]], message: bytes, peer: str) -> "LocalCall":
        """A call to be answered.

        Args:
            method: Its full name, such as "/runstream.v1.ModelService/GetModel".
            metadata: What the caller sent.
            message: The one message of the call.
            peer: The caller's address.
        """
        begin = Begin(next(self._numbers), method, tuple(metadata), None, peer, {})
        return LocalCall(self, begin, message)


class LocalCall:
    """One call with what has come of it.

    Attributes:
        told: The initial metadata of its answer, once there is any.
        end: Its status, once it has ended.
    """

    def __init__(self, handlers: Handlers, begin: Begin, message: bytes) -> None:
        self.told: Metadata = ()
        self.end: End | None = None
        self._handlers, self._begin = handlers, begin
        self._unread: bytes | None = message
        self._call = RemoteCall(self, begin)
        self._news: asyncio.Queue[Initial | Part | End] = asyncio.Queue()

    def send(self, message: ToWorker) -> None:
        """Takes what the handler has for the caller."""
        if isinstance(message, Wanted):
            self._call.take(self._unread)
            self._unread = None
        elif isinstance(message, Initial | Part | End):
            self._news.put_nowait(message)

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The messages of the answer, as bytes, until its end. Closing it before cancels the handler."""
        handling = asyncio.create_task(self._handlers.answer(self._call, self._begin))
        try:
            while self.end is None:
                news = await self._news.get()
                if isinstance(news, Part):
                    yield news.message
                    self._call.note_written()
                elif isinstance(news, Initial):
                    self.told = news.metadata
                else:
                    self.end = news
        finally:
            handling.cancel()
            await asyncio.wait({handling})
