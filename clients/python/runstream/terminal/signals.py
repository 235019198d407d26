"""What ends the command from outside: quietly, and with the terminal as it was."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit code for Ctrl-C."""
TERMINATED: Final = 128 + signal.SIGTERM
"""The exit code for SIGTERM."""


@contextmanager
def interrupts_end_at_once() -> Iterator[None]:
    """Has Ctrl-C end the process where nothing is to be tidied, such as while modules are loaded."""
    # In the background of a script Ctrl-C is ignored, and stays so.
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(INTERRUPTED)


def tidy_at_sigterm() -> None:
    """Has SIGTERM unwind what runs, so that the cursor is shown and the terminal echoes again. A second one kills."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _unwind)


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise SystemExit(TERMINATED)
