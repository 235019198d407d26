"""Runs a command for as long as this process's standard input stays open.

    python leash.py GRACE_S COMMAND [ARGUMENT...]

Whoever holds the other end of that pipe ends the command by closing it, or by dying, however that happens: the system
closes the pipe even after kill -9. The command then gets SIGTERM and, after the grace, SIGKILL for all that it has
started. SIGINT and SIGHUP to this process do the same; SIGTERM, or a second signal, skips the grace. When this process
is killed, Linux kills the command. Its exit status is the command's.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from types import FrameType

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def kill_group(command: subprocess.Popen[bytes]) -> None:
    """Ends the command and all that it started, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(command.pid, signal.SIGKILL)


def end_kindly(command: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ends the command: kindly, and after the grace by force."""
    command.terminate()
    try:
        command.wait(grace_s)
    except subprocess.TimeoutExpired:
        kill_group(command)


def end_when_let_go(command: subprocess.Popen[bytes], grace_s: float) -> None:
    """Waits for the end of standard input, then ends the command."""
    sys.stdin.buffer.read()
    end_kindly(command, grace_s)


def die_with(parent: int) -> None:
    """Makes this process end when its parent does, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def main(grace_s: float, arguments: list[str]) -> int:
    """Runs the command; returns its exit status, as a shell writes it."""
    command: subprocess.Popen[bytes] | None = None
    is_let_go = False
    early: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal is_let_go
        if command is None:
            early.append(number)
            return
        is_kind = number != signal.SIGTERM and not is_let_go
        is_let_go = True
        if is_kind:
            threading.Thread(target=end_kindly, args=(command, grace_s), daemon=True).start()
        else:
            kill_group(command)

    # Before the command starts: a signal that came between the two would end this process alone.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    me = os.getpid()
    # Nothing else runs here yet that could hold a lock over the fork.
    command = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=lambda: die_with(me))
    for received in early:
        end(received, None)
    threading.Thread(target=end_when_let_go, args=(command, grace_s), daemon=True).start()
    status = command.wait()
    kill_group(command)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    # A daemon thread blocked on standard input makes the interpreter's own exit fail.
    os._exit(main(float(sys.argv[1]), sys.argv[2:]))
