"""What ends the command from outside: quietly, and with the terminal as it was."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn, TypeVar

ResultT = TypeVar("ResultT")

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


async def cancelled_by_sigterm(work: Awaitable[ResultT]) -> ResultT:
    """Awaits what takes an exception in a callback of its own for a fault, and SIGTERM's is one.

    SIGTERM cancels it, and unwinds what runs once it is tidy. A second one kills.
    """
    task = asyncio.current_task()
    if task is None or signal.getsignal(signal.SIGTERM) is not _unwind:
        return await work
    loop, cancel = task.get_loop(), task.cancel
    ended: asyncio.Handle | None = None

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ended
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ended = loop.call_soon_threadsafe(cancel)

    signal.signal(signal.SIGTERM, end)
    try:
        return await work
    finally:
        signal.signal(signal.SIGTERM, _unwind)
        if ended is not None:
            ended.cancel()
            _unwind(signal.SIGTERM, None)


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise SystemExit(TERMINATED)
