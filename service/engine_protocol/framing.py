"""Frames messages on the pipes between the edge and an engine's process.

A frame is the length of its payload, 4 bytes, most significant first, and the payload, a pickled message. Both ends are
this program, and the pipes are nobody else's.
"""

import asyncio
import pickle
import struct
from typing import Any, BinaryIO

HEADER = struct.Struct("!I")


def pack(message: object) -> bytes:
    """Frames a message."""
    payload = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(payload)) + payload


def unpack(payload: bytes) -> Any:
    """The message in a frame's payload."""
    return pickle.loads(payload)  # noqa: S301 - written by our own process


def send(pipe: BinaryIO, message: object) -> None:
    """Writes one message at once."""
    pipe.write(pack(message))
    pipe.flush()


def receive(pipe: BinaryIO) -> Any | None:
    """Reads one message; None at the end of the input."""
    header = _read_exactly(pipe, HEADER.size)
    payload = header and _read_exactly(pipe, HEADER.unpack(header)[0])
    return unpack(payload) if payload else None


def _read_exactly(pipe: BinaryIO, num_bytes: int) -> bytes:
    """So many bytes, which a pipe without a buffer gives in pieces; none if the input ends before."""
    data = pipe.read(num_bytes)
    while data and len(data) < num_bytes:
        more = pipe.read(num_bytes - len(data))
        data = data + more if more else b""
    return data


async def receive_from(reader: asyncio.StreamReader) -> Any:
    """Reads one message from a stream.

    Raises:
        asyncio.IncompleteReadError: The input ends.
    """
    header = await reader.readexactly(HEADER.size)
    return unpack(await reader.readexactly(HEADER.unpack(header)[0]))
