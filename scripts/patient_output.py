"""An output that never holds its writer up, and never fails: a thread hands on what is written.

A terminal that is paused, a pipe that nobody reads or that is closed: whoever prints must go on, and hear of signals.
"""

import contextlib
import io
import os
import select
import threading
from collections import deque
from typing import Final

MAX_WAITING_BYTES: Final = 1 << 20
LAST_WORDS_S: Final = 1.0


class PatientOutput(io.TextIOBase):
    """A text stream on a file descriptor. What is written while too much waits is left out, and its lines are counted.

    Args:
        descriptor: Where to write; it stays open.
        encoding: How; characters that it does not have are escaped.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._begun = ""
        self._waiting: deque[bytes] = deque()
        self._num_waiting_bytes = 0
        self._num_left_out = 0
        self._is_finished = False
        self._has_news = threading.Condition()
        self._thread = threading.Thread(target=self._hand_on, daemon=True)
        self._thread.start()

    def isatty(self) -> bool:
        """Whether a terminal shows it."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> int:
        """Takes a text; a line goes out when it is whole, or with `flush`."""
        self._begun += text
        if "\n" in text:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Lets everything that was written go out, without waiting for it."""
        text, self._begun = self._begun, ""
        with self._has_news:
            if self._num_waiting_bytes > MAX_WAITING_BYTES:
                self._num_left_out += text.count("\n")
            else:
                self._tell_left_out()
                self._add(text)

    def finish(self) -> None:
        """Waits, for a second at most, until everything is out."""
        self.flush()
        with self._has_news:
            self._tell_left_out()
            self._is_finished = True
            self._has_news.notify()
        self._thread.join(LAST_WORDS_S)

    def _tell_left_out(self) -> None:
        if self._num_left_out:
            self._add(f"… {self._num_left_out} lines are left out here: nobody read them\n")
            self._num_left_out = 0

    def _add(self, text: str) -> None:
        if text and self._thread.is_alive():
            data = text.encode(self._encoding, "backslashreplace")
            self._waiting.append(data)
            self._num_waiting_bytes += len(data)
            self._has_news.notify()

    def _hand_on(self) -> None:
        with contextlib.suppress(OSError):  # whoever read it has gone, which is no reason to end
            while data := self._next():
                self._write_whole(data)

    def _next(self) -> bytes:
        """What is to be written next; empty at the end."""
        with self._has_news:
            self._has_news.wait_for(lambda: self._waiting or self._is_finished)
            if not self._waiting:
                return b""
            data = self._waiting.popleft()
            self._num_waiting_bytes -= len(data)
            return data

    def _write_whole(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # another process that has the descriptor has made it so
                select.select([], [self._descriptor], [])
