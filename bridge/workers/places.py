"""The places where several workers listen: on one socket, or on Linux each on its own of the same port.

Asyncio takes as many connections as there are whenever a socket has some. On one socket, whoever wakes up first so gets
all of a burst. With SO_REUSEPORT Linux deals them out by their addresses, and a worker that dies takes only its own.
"""

import asyncio
import contextlib
import socket
import sys
from typing import Final

from bridge.config import Config
from bridge.http.addresses import unix_path
from bridge.http.unix_socket import bound
from bridge.server import to_listen_error, url_of

DEALS_OUT: Final = sys.platform == "linux"


class Places:
    """The addresses of the bridge.

    Args:
        config: The settings.
        held: The sockets that keep them.
        is_shared: Whether workers listen on these sockets, and not on others of the same addresses.
    """

    def __init__(self, config: Config, held: list[socket.socket], is_shared: bool) -> None:
        self._config = config
        self._held = held
        self._is_shared = is_shared

    @classmethod
    async def take(cls, config: Config, stack: contextlib.ExitStack) -> "Places":
        """Takes the addresses, until the stack ends.

        Raises:
            ListenError: One can't be listened on.
        """
        if path := unix_path(config.host):
            return cls(config, [stack.enter_context(bound(path))], is_shared=True)
        try:
            free = await _free_sockets(config, stack)
            if not DEALS_OUT:
                return cls(config, free, is_shared=True)
            # They take no connection, as they don't listen; but the port stays the bridge's while a worker is missing.
            held = [stack.enter_context(_bind(each)) for each in free]
        except OSError as error:
            raise to_listen_error(error, config) from None
        for each in free:
            each.close()
        return cls(config, held, is_shared=False)

    @property
    def url(self) -> str:
        """The address of the bridge."""
        address = self._held[0].getsockname()
        return url_of(self._config, address[1] if isinstance(address, tuple) else 0)

    def of_worker(self, stack: contextlib.ExitStack) -> list[socket.socket]:
        """Sockets for one worker to listen on, until the stack ends."""
        if self._is_shared:
            return self._held
        return [stack.enter_context(_bind(each)) for each in self._held]


async def _free_sockets(config: Config, stack: contextlib.ExitStack) -> list[socket.socket]:
    """A bound socket for each address of the host; nobody else listens there, not even with SO_REUSEPORT."""
    server = await asyncio.get_running_loop().create_server(
        asyncio.Protocol, config.host, config.port, start_serving=False
    )
    sockets = [stack.enter_context(each.dup()) for each in server.sockets]
    server.close()
    return sockets


def _bind(like: socket.socket) -> socket.socket:
    """One more socket on the address of another."""
    made = socket.socket(like.family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if like.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(like.getsockname())
    except OSError:
        made.close()
        raise
    return made
