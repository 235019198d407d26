"""Calls of gRPC as frames of HTTP/2, for what no client library of gRPC sends."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings

_TIMEOUT_S = 30


def framed(message: bytes) -> bytes:
    """A message as gRPC writes it: not compressed, then its length."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def call(port: int, path: str, body: bytes, *metadata: tuple[str, bytes]) -> dict[str, str]:
    """Sends a call and waits for its end.

    Args:
        port: Where on 127.0.0.1.
        path: For example "/runstream.v1.ModelService/ListModels".
        body: What its frames of data hold.
        metadata: More headers.

    Returns:
        Headers and trailers of the answer.

    Raises:
        TimeoutError: It has no end.
    """
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    connection.initiate_connection()
    _send(connection, path, body, *metadata)
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connected:
        return _answer(connection, connected)


@contextlib.contextmanager
def unread(port: int, path: str, body: bytes) -> Iterator[None]:
    """A call that has an answer of which its client takes no byte: it is there once its headers are.

    Raises:
        TimeoutError: There is no answer.
    """
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    connection.initiate_connection()
    connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connected:
        connected.sendall(connection.data_to_send())
        _receive(connection, connected, h2.events.SettingsAcknowledged)
        _send(connection, path, body)
        connected.sendall(connection.data_to_send())
        _receive(connection, connected, h2.events.ResponseReceived)
        yield


def _send(connection: h2.connection.H2Connection, path: str, body: bytes, *metadata: tuple[str, bytes]) -> None:
    names = {":method": "POST", ":scheme": "http", ":authority": "test", ":path": path}
    names |= {"content-type": "application/grpc", "te": "trailers"}
    headers: list[Any] = [(name.encode(), value.encode()) for name, value in names.items()]
    connection.send_headers(1, headers + [(name.encode(), value) for name, value in metadata])
    connection.send_data(1, body, end_stream=True)


def _receive(connection: h2.connection.H2Connection, connected: socket.socket, kind: type[object]) -> None:
    while not any(isinstance(event, kind) for event in connection.receive_data(connected.recv(65_536))):
        connected.sendall(connection.data_to_send())


def _answer(connection: h2.connection.H2Connection, connected: socket.socket) -> dict[str, str]:
    answer: dict[str, str] = {}
    while True:
        connected.sendall(connection.data_to_send())
        for event in connection.receive_data(connected.recv(65_536)):
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                answer |= {bytes(name).decode(): bytes(value).decode("latin-1") for name, value in event.headers}
            if isinstance(event, h2.events.StreamEnded | h2.events.StreamReset | h2.events.ConnectionTerminated):
                return answer
