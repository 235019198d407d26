"""Runs a command for as long as this process's standard input stays open.

    python leash.py GRACE_S COMMAND [ARGUMENT...]

Whoever holds the other end of that pipe ends the command by closing it, or by dying, however that happens: the system
closes the pipe even after kill -9. The command then gets SIGTERM and, after the grace, SIGKILL for all that it has
started. SIGTERM to this process skips the grace. Its exit status is the command's.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from types import FrameType


def kill_group(command: subprocess.Popen[bytes]) -> None:
    """Ends the command and all that it started, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(command.pid, signal.SIGKILL)


def end_when_let_go(command: subprocess.Popen[bytes], grace_s: float) -> None:
    """Waits for the end of standard input, then ends the command: kindly, and after the grace by force."""
    sys.stdin.buffer.read()
    command.terminate()
    try:
        command.wait(grace_s)
    except subprocess.TimeoutExpired:
        kill_group(command)


def main(grace_s: float, arguments: list[str]) -> int:
    """Runs the command; returns its exit status, as a shell writes it."""
    command: subprocess.Popen[bytes] | None = None
    is_let_go = False

    def kill(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_let_go
        is_let_go = True
        if command is not None:
            kill_group(command)

    # Before the command starts: a signal that came between the two would end this process alone.
    signal.signal(signal.SIGTERM, kill)
    command = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, process_group=0)
    if is_let_go:
        kill_group(command)
    threading.Thread(target=end_when_let_go, args=(command, grace_s), daemon=True).start()
    status = command.wait()
    kill_group(command)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    # A daemon thread blocked on standard input makes the interpreter's own exit fail.
    os._exit(main(float(sys.argv[1]), sys.argv[2:]))
