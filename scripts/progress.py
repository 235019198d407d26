"""A line that says what is going on."""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class ProgressLine:
    """Shows one line that is written over as work goes on; an output that is no terminal gets the milestones only."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        self._text = ""

    def show(self, text: str) -> None:
        """Replaces the line, where it can be seen."""
        self._text = text
        if sys.stdout.isatty():
            width = shutil.get_terminal_size().columns - 1
            line = f"  {text} ({time.monotonic() - self._started_at:.0f} s)"
            sys.stdout.write("\r\x1b[K" + line[:width])
            sys.stdout.flush()

    def milestone(self, text: str) -> None:
        """Shows a line that a log keeps too."""
        if sys.stdout.isatty():
            self.show(text)
        else:
            print(f"  {text}", flush=True)

    def clear(self) -> None:
        """Takes the line away."""
        if sys.stdout.isatty():
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Keeps the line's clock going while its owner waits, and takes the line away at the end."""
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(1.0):
                self.show(self._text)

        ticker = threading.Thread(target=tick)
        ticker.start()
        try:
            yield
        finally:
            ended.set()
            ticker.join()
            self.clear()
