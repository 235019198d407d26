"""The command `runstream` as a person starts it, on a pseudo-terminal, and as a script does."""

import asyncio
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

COMMAND = [sys.executable, "-W", "error", "-m", "runstream.terminal"]
# No terminal answers here when it is asked where its cursor is.
ENVIRONMENT = {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm-256color", "PYTHONUTF8": "1"}
# Only the terminal that controls a session sends it a signal for Ctrl-C.
CONTROLLED = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
# What prompt_toolkit writes once it reads keys.
READY = "\x1b[?2004h"
PATIENCE_S = 60.0
ROWS, COLUMNS = 40, 100


def environment(state: Path, **variables: str) -> dict[str, str]:
    """The environment of a command whose history is kept in a folder of the test's."""
    ours = ("RUNSTREAM_", "COLUMNS", "LINES")  # the terminal of the test has a size of its own
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**inherited, **ENVIRONMENT, "XDG_STATE_HOME": str(state), **variables}


def runstream(
    *arguments: object, stdin: str | bytes = "", state: Path = Path("/nonexistent"), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs the command without a terminal, to its end."""
    done = subprocess.run(
        [*COMMAND, *(one if isinstance(one, bytes) else str(one) for one in arguments)],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        env=environment(state, **variables),
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


async def runstream_async(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end while servers of the test's loop answer it."""
    return await asyncio.to_thread(runstream, *arguments)


class Terminal:
    """A command on a terminal of its own.

    Attributes:
        screen: All that it has written to the terminal.
        process: The command.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int) -> None:
        self.process = process
        self.screen = ""
        self._descriptor = descriptor
        self._seen = 0
        self._bytes = b""

    def type(self, keys: str) -> None:
        """Types keys, such as "\\x03" for Ctrl-C; "\\udcff" is the byte 0xff."""
        os.write(self._descriptor, keys.encode(errors="surrogateescape"))

    async def until(self, text: str) -> str:
        """Reads until the command writes a text, and returns what came up to its end since the last call."""
        while (found := self.screen.find(text, self._seen)) < 0:
            if not await asyncio.to_thread(self._read):
                raise AssertionError(f"it ended without {text!r}: {self.screen[self._seen :]!r}")
        start, self._seen = self._seen, found + len(text)
        return self.screen[start : self._seen]

    async def end(self) -> int:
        """Reads until the command ends; its exit code."""
        while await asyncio.to_thread(self._read):
            pass
        return await asyncio.to_thread(self.process.wait)

    def _read(self) -> bool:
        if not select.select([self._descriptor], [], [], PATIENCE_S)[0]:
            raise AssertionError(f"it waits: {self.screen[self._seen :]!r}")
        try:
            read = os.read(self._descriptor, 65_536)
        except OSError:  # so Linux tells that nobody has the terminal open any more
            read = b""
        self._bytes += read
        self.screen = self._bytes.decode(errors="ignore")
        return bool(read)


@contextmanager
def terminal(*arguments: object, state: Path, command: Sequence[str] = COMMAND, **variables: str) -> Iterator[Terminal]:
    """Starts the command on a terminal, and kills it if the test leaves it running."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", CONTROLLED, *command, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(state, **variables),
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)
