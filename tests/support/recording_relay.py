"""A relay between an HTTP client and a server, which keeps what the server answered, byte for byte."""

import contextlib
import http.client
import io
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class RecordingRelay(socketserver.ThreadingTCPServer):
    """Passes bytes on in both directions.

    Attributes:
        gate: While it is closed, no server-sent event after the first of a connection is passed on.
    """

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target = urlsplit(url)
        self.gate = threading.Event()
        self.gate.set()
        self.answered: list[bytearray] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of the answers since the last `forget`, of each connection in turn."""
        return [body for answered in self.answered for body in _bodies(bytes(answered))]

    def forget(self) -> None:
        """Forgets what was answered; no answer may be under way."""
        for answered in self.answered:
            answered.clear()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of the server's being gone."""


@contextmanager
def recording_relay(url: str) -> Iterator[RecordingRelay]:
    """Runs a relay before a server."""
    with RecordingRelay(url) as relay:
        thread = threading.Thread(target=relay.serve_forever)
        thread.start()
        try:
            yield relay
        finally:
            relay.gate.set()
            relay.shutdown()
            thread.join()


class _Connection(socketserver.BaseRequestHandler):
    server: RecordingRelay

    def handle(self) -> None:
        """Passes on until either side ends."""
        answered = bytearray()
        self.server.answered.append(answered)
        with socket.create_connection((self.server.target.hostname, self.server.target.port)) as upstream:
            asking = threading.Thread(target=_pass_on, args=(self.request, upstream), daemon=True)
            asking.start()
            self._answer(upstream, answered)
            asking.join()

    def _answer(self, upstream: socket.socket, answered: bytearray) -> None:
        with _both_ended(upstream, self.request):
            while chunk := upstream.recv(65536):
                answered += chunk
                if not self.server.gate.is_set():
                    first, end, chunk = chunk.partition(b"}\n\n")
                    self.request.sendall(first + end)
                    if end:
                        self.server.gate.wait()
                self.request.sendall(chunk)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with _both_ended(source, sink):
        while chunk := source.recv(65536):
            sink.sendall(chunk)


@contextmanager
def _both_ended(*sockets: socket.socket) -> Iterator[None]:
    try:
        with contextlib.suppress(OSError):
            yield
    finally:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _bodies(answered: bytes) -> Iterator[bytes]:
    stream = _Answers(answered)
    while stream.tell() < len(answered):
        response = http.client.HTTPResponse(stream)  # type: ignore[arg-type]  # asks no more of a socket than makefile
        response.begin()
        yield response.read()


class _Answers(io.BytesIO):
    """Answers of a connection, one after the other."""

    def makefile(self, mode: str) -> "_Answers":
        """Gives itself, as a socket gives a file."""
        return self

    def close(self) -> None:
        """Stays open for the next answer."""
