"""A line that says what is going on."""

import shutil
import sys
import time
from typing import TextIO


class ProgressLine:
    """Shows one line that is written over as work goes on; a stream that is no terminal gets the milestones only."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._started_at = time.monotonic()

    def show(self, text: str) -> None:
        """Replaces the line, where it can be seen."""
        if self._stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            line = f"  {text} ({time.monotonic() - self._started_at:.0f} s)"
            self._stream.write("\r\x1b[K" + line[:width])
            self._stream.flush()

    def milestone(self, text: str) -> None:
        """Shows a line that a log keeps too."""
        if self._stream.isatty():
            self.show(text)
        else:
            print(f"  {text}", file=self._stream, flush=True)

    def clear(self) -> None:
        """Takes the line away."""
        if self._stream.isatty():
            self._stream.write("\r\x1b[K")
            self._stream.flush()
