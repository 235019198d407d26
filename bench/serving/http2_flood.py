"""Floods of HTTP/2 frames, as an abusive peer of the gRPC port sends them: by hand, since no client library would."""

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator

import hpack
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
_TIMEOUT_S = 60


class Flood:
    """A connection of an abusive peer.

    Args:
        connected: Its socket.
        preface: What it sends first.
    """

    def __init__(self, connected: socket.socket, preface: bytes) -> None:
        self.connected = connected
        self._stream_id = -1
        self._has_endless = False
        self._encoder = hpack.Encoder()
        self._encoder.header_table_size = 0
        connected.sendall(preface)

    def reset_calls(self, path: str, message: bytes, number: int) -> None:
        """Begins calls and resets each at once."""
        for _ in range(number):
            headers, data = self._call(path, message)
            self.send(headers, data, RstStreamFrame(self._stream_id, error_code=8))

    def begin_calls(self, path: str, message: bytes, number: int) -> None:
        """Begins calls and reads nothing."""
        for _ in range(number):
            self.send(*self._call(path, message))

    def ping(self, number: int) -> None:
        """Sends pings."""
        frame = PingFrame(0, b"x" * 8).serialize()
        self.connected.sendall(frame * number)

    def settings(self, number: int) -> None:
        """Sends settings, each to be acknowledged."""
        self.connected.sendall(SettingsFrame(0).serialize() * number)

    def endless_headers(self, number: int) -> None:
        """Begins a call whose headers never end, or goes on with it."""
        if not self._has_endless:
            self._has_endless = True
            self._stream_id += 2
            self.send(HeadersFrame(self._stream_id, self._headers("/a")))
        for _ in range(number):
            self.send(ContinuationFrame(self._stream_id, self._encoder.encode([("x", "a" * 8_000)], huffman=False)))

    def send(self, *frames: Frame) -> None:
        """Sends frames."""
        self.connected.sendall(b"".join(frame.serialize() for frame in frames))

    def hear_beside(self) -> None:
        """Reads and drops whatever comes, in a thread: gRPC takes nothing from a peer that lets its answers lie."""
        threading.Thread(target=self.wait_for_end, daemon=True).start()

    def hear(self) -> bytes:
        """What has come, up to 64 KiB; waits if there is nothing."""
        return self.connected.recv(65_536)

    def wait_for_end(self) -> bytes:
        """Reads until the server ends the connection; the last 64 KiB that came."""
        last = b""
        with contextlib.suppress(OSError):  # of which the end of its time is one
            while chunk := self.connected.recv(65_536):
                last = (last + chunk)[-65_536:]
        return last

    def _call(self, path: str, message: bytes) -> Iterable[Frame]:
        self._stream_id += 2
        data = DataFrame(self._stream_id, b"\0" + len(message).to_bytes(4, "big") + message, flags=["END_STREAM"])
        return HeadersFrame(self._stream_id, self._headers(path), flags=["END_HEADERS"]), data

    def _headers(self, path: str) -> bytes:
        names = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x"}
        return self._encoder.encode([*names.items(), ("content-type", "application/grpc"), ("te", "trailers")])


@contextlib.contextmanager
def flood(port: int, preface: bytes = PREFACE) -> Iterator[Flood]:
    """Connects to a port of 127.0.0.1."""
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connected:
        yield Flood(connected, preface)
