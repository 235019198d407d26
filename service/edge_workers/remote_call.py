"""A call that an edge worker holds, as its handler in the service's process sees it."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, NoReturn, Protocol

import grpc

from service.edge_workers.messages import Begin, End, Initial, Metadata, Part, ToWorker, Wanted

# So many parts are on their way to gRPC before the handler waits: then a caller that is slow gets more in each.
MAX_UNWRITTEN: Final = 2


class Metadatum(NamedTuple):
    """An entry of metadata, as grpc.aio names its fields."""

    key: str
    value: str | bytes


class Way(Protocol):
    """The way to whoever has the caller's connection."""

    def send(self, message: ToWorker) -> None:
        """Sends a message there."""
        ...


class RemoteCall:
    """The part of grpc.aio's context that handlers use.

    Args:
        link: To whoever has the connection, such as an edge worker.
        begin: The call.

    Attributes:
        serialize: Makes bytes of a response.
    """

    def __init__(self, link: Way, begin: Begin) -> None:
        self.serialize: Callable[[Any], bytes] | None = None
        self._link = link
        self._begin = begin
        self._metadata = tuple(Metadatum(*each) for each in begin.metadata)
        self._ends_at = None if begin.time_left_s is None else time.monotonic() + begin.time_left_s
        self._came: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._num_unwritten = 0
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._code = grpc.StatusCode.OK
        self._details = ""
        self._trailing: Metadata = ()
        self._has_ended = False

    def invocation_metadata(self) -> tuple[Metadatum, ...]:
        """What the caller sent."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """The seconds until the caller's own deadline; None if it set none."""
        return None if self._ends_at is None else max(0.0, self._ends_at - time.monotonic())

    def peer(self) -> str:
        """The caller's address."""
        return self._begin.peer

    def auth_context(self) -> dict[str, list[bytes]]:
        """What TLS knows of the caller."""
        return self._begin.auth_context

    def code(self) -> grpc.StatusCode:
        """The status so far."""
        return self._code

    def details(self) -> str:
        """The status's text so far."""
        return self._details

    def set_code(self, code: grpc.StatusCode) -> None:
        """Sets the status with which the call ends once its handler has."""
        self._code = code

    def set_details(self, details: str) -> None:
        """Sets the status's text."""
        self._details = details

    def set_trailing_metadata(self, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Sets what is told at the end."""
        self._trailing = tuple(metadata)

    def trailing_metadata(self) -> Metadata:
        """What is told at the end, so far."""
        return self._trailing

    async def send_initial_metadata(self, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Tells what is told at the beginning."""
        self._link.send(Initial(self._begin.id, tuple(metadata)))

    async def read(self) -> Any:
        """The caller's next message, as bytes; `grpc.aio.EOF` if it sends no more."""
        self._link.send(Wanted(self._begin.id))
        message = await self._came.get()
        return grpc.aio.EOF if message is None else message

    async def write(self, response: Any) -> None:
        """Sends a response; waits while the caller is too slow."""
        await self._may_write.wait()
        message = self.serialize(response) if self.serialize else response
        self._num_unwritten += 1
        if self._num_unwritten >= MAX_UNWRITTEN:
            self._may_write.clear()
        self._link.send(Part(self._begin.id, message))

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Iterable[tuple[str, str | bytes]] = ()
    ) -> NoReturn:
        """Ends the call with a status that is an error."""
        self._code, self._details = code, details
        self._trailing = (*self._trailing, *trailing_metadata)
        self.end()
        raise grpc.aio.AbortError

    def end(self) -> None:
        """Ends the call with its status, unless it has ended."""
        if not self._has_ended:
            self._has_ended = True
            code: int = self._code.value[0]
            self._link.send(End(self._begin.id, code, self._details, self._trailing))

    def take(self, message: bytes | None) -> None:
        """Takes the message that is wanted."""
        self._came.put_nowait(message)

    def note_written(self) -> None:
        """Takes that gRPC has taken a part."""
        self._num_unwritten -= 1
        self._may_write.set()
