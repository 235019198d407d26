"""Keeps the open connections, and makes room for one more: those that wait for a request give way."""

from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    """The state of each connection."""

    @property
    def is_idle(self) -> bool:
        """Whether it has no whole request: nothing is lost on it when it ends."""

    def abort(self) -> None:
        """Ends it at once."""


class OpenConnections:
    """The open connections of a process, the one on which nothing has come for longest first.

    Args:
        max_connections: The most that are held at once, those in a TLS handshake counted.
        count_end: Gets why a connection was ended or refused: a label of `Metrics.connections_ended`.
    """

    def __init__(self, max_connections: int, count_end: Callable[[str], None]) -> None:
        self._max_connections = max_connections
        self._connections: dict[Connection, None] = {}
        self._num_coming = 0
        self.count_end = count_end

    def __len__(self) -> int:
        return len(self._connections) + self._num_coming

    def make_room(self) -> bool:
        """Whether one more may be taken. Where none may, the idle one that has been silent for longest is ended."""
        if len(self) < self._max_connections:
            return True
        idle = next((connection for connection in self._connections if connection.is_idle), None)
        if idle is None:
            return False
        del self._connections[idle]
        idle.abort()
        self.count_end("evicted")
        return True

    def come(self) -> None:
        """Counts one that is taken, and is not set up yet."""
        self._num_coming += 1

    def came(self) -> None:
        """Counts one no longer that was being set up: it is added, or has failed."""
        self._num_coming -= 1

    def hear(self, connection: Connection) -> None:
        """Adds a connection, or puts one last on which something has come."""
        self._connections.pop(connection, None)
        self._connections[connection] = None

    def forget(self, connection: Connection) -> None:
        """Takes out one that has ended."""
        self._connections.pop(connection, None)
