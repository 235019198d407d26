"""The lines of a process's output, whatever it writes."""

from typing import Final

MAX_LINE_BYTES: Final = 8192


class OutputLines:
    """Puts lines together from pieces of output. Of lines over 8 KiB the beginning is kept, and the rest counted."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._num_left_out = 0

    def feed(self, output: bytes) -> list[str]:
        """Takes a piece; returns the lines that end in it."""
        *ends, rest = output.split(b"\n")
        lines = []
        for end in ends:
            self._add(end)
            lines.append(self._take())
        self._add(rest)
        return lines

    def finish(self) -> list[str]:
        """The line that was begun and never ended, if there is one."""
        return [self._take()] if self._line else []

    def _add(self, piece: bytes) -> None:
        room = MAX_LINE_BYTES - len(self._line)
        self._line += piece[:room]
        self._num_left_out += max(0, len(piece) - room)

    def _take(self) -> str:
        text = self._line.decode(errors="replace").rstrip()
        if self._num_left_out:
            text += f"… and {self._num_left_out} bytes more"
        self._line.clear()
        self._num_left_out = 0
        return text
