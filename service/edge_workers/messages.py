"""What the service and its edge workers tell each other of calls, over a Unix socket, many in one frame."""

from typing import NamedTuple

Metadata = tuple[tuple[str, str | bytes], ...]


class Listening(NamedTuple):
    """From a worker, once: it listens, or `error` tells why it can't."""

    error: str


class Begin(NamedTuple):
    """From a worker: a call.

    Attributes:
        id: A number that no other call of this worker has.
        method: Its full name.
        metadata: What the caller sent.
        time_left_s: Until the caller's own deadline; None if it set none.
        peer: The caller's address.
        auth_context: What TLS knows of the caller.
    """

    id: int
    method: str
    metadata: Metadata
    time_left_s: float | None
    peer: str
    auth_context: dict[str, list[bytes]]


class Wanted(NamedTuple):
    """To a worker: the handler waits for the call's next message."""

    id: int


class Came(NamedTuple):
    """From a worker: that message; None if the caller sends no more."""

    id: int
    message: bytes | None


class Left(NamedTuple):
    """From a worker: the call ended before its handler has."""

    id: int


class Initial(NamedTuple):
    """To a worker: the initial metadata of the answer."""

    id: int
    metadata: Metadata


class Part(NamedTuple):
    """To a worker: a message for the caller."""

    id: int
    message: bytes


class Written(NamedTuple):
    """From a worker: gRPC has taken a part."""

    id: int


class End(NamedTuple):
    """To a worker: the call's status, by its number, with the trailing metadata."""

    id: int
    code: int
    details: str
    metadata: Metadata


class Stop(NamedTuple):
    """To a worker: take no calls any more, end those that go on for longer than this, and end."""

    grace_s: float


FromWorker = Listening | Begin | Came | Left | Written
ToWorker = Wanted | Initial | Part | End | Stop
