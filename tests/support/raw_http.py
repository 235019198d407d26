"""HTTP by its bytes, for what no client library sends."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.fake_service import DEMO
from tests.support.running_bridge import PROMPT, Bridge

PATH = f"/client/v4/accounts/acc/ai/run/{DEMO}"
PATIENCE_S = 60.0


def post(body: object = PROMPT, headers: str = "", path: str = PATH) -> bytes:
    """A request with a body of JSON."""
    data = json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(data)}\r\n\r\n".encode() + data


def get(path: str = "/healthz") -> bytes:
    """A request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@asynccontextmanager
async def connected(
    bridge: Bridge, sent: bytes = b"", receive_buffer: int = 0
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which something was sent; whatever is awaited within has to come within `PATIENCE_S`.

    Args:
        bridge: Where to.
        sent: What is sent.
        receive_buffer: How many bytes the kernel holds that are not read, roughly; 0 for as many as it wants.
    """
    host, port = bridge.runner.addresses[0][:2]
    async with asyncio.timeout(PATIENCE_S):
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, (host, port))
        reader, writer = await asyncio.open_connection(sock=plain, limit=receive_buffer or 65_536)
        try:
            writer.write(sent)
            yield reader, writer
        finally:
            writer.transport.abort()  # to close it would be to wait until the bridge has read all of it


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection ends, whichever way it ends."""
    received = b""
    with suppress(ConnectionError):
        while chunk := await reader.read(65_536):
            received += chunk
    return received
