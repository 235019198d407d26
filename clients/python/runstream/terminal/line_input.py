"""Where the lines of a conversation come from: a person at a terminal, or a pipe."""

import asyncio
import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from runstream.terminal.bounded_input import decoded
from runstream.terminal.failures import Failure
from runstream.terminal.output import note
from runstream.terminal.signals import cancelled_by_sigterm

PROMPT: Final = "> "


class LineInput(Protocol):
    """Gives one line after the other."""

    def read(self) -> str | None:
        """The next one; None at the end."""


class PipedLines:
    """The lines of standard input, each of at most `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def read(self) -> str | None:
        """The next line without its end.

        Raises:
            Failure: It is too long, or no UTF-8.
        """
        line = sys.stdin.buffer.readline(self._max_bytes + 1)
        if len(line) > self._max_bytes:
            raise Failure(f"a line has more than the {self._max_bytes:,} bytes that are taken: ask about less at once")
        return decoded(line, "standard input").rstrip("\r\n") if line else None


class TypedLines:
    """What a person types, with editing and history. Ctrl-C drops the line, Ctrl-D on an empty one is the end.

    Args:
        runner: Runs the prompt.
        is_kept: Whether the history outlives the process, in a file that only this user may read.
    """

    def __init__(self, runner: asyncio.Runner, *, is_kept: bool) -> None:
        self._runner = runner
        self._history: History = _KeptHistory(history_path()) if is_kept else InMemoryHistory()
        self._session: PromptSession[str] = PromptSession(history=self._history, key_bindings=_key_bindings())

    def read(self) -> str | None:
        """The next line, or lines; None for Ctrl-D."""
        while True:
            self._tell_what_is_lost()
            try:
                return self._runner.run(cancelled_by_sigterm(self._session.prompt_async(PROMPT)))
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None
            finally:
                # prompt_toolkit itself does not, if drawing the prompt for the first time fails.
                self._session.app.renderer.reset()

    def _tell_what_is_lost(self) -> None:
        """Tells it between two lines: while one is edited, the screen is the editor's."""
        if isinstance(self._history, _KeptHistory) and self._history.problem:
            note(f"(what you type is not kept: {self._history.problem})")
            self._history.problem = ""


class _KeptHistory(FileHistory):
    """A history in a file. Once it can't be written, it is kept no longer than the process.

    Attributes:
        problem: Why it can't be written; empty once that was told.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__(path or os.devnull)
        self.problem = "" if path else "this user has no home folder"
        self._is_writable = path is not None
        if path:
            with self._kept():
                _make_private(path)

    def load_history_strings(self) -> Iterable[str]:
        """The strings that the file has, the newest first."""
        return super().load_history_strings() if self._is_writable else ()

    def store_string(self, string: str) -> None:
        """Adds a string to the file."""
        if self._is_writable:
            with self._kept():
                super().store_string(string)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._is_writable = False
            self.problem = f"{os.fsdecode(self.filename)}: {error.strerror}"


def _key_bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


def history_path() -> Path | None:
    """Where what was typed is kept; None for a user without a home folder."""
    folder = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return None if folder.startswith("~") else Path(folder) / "runstream/history"


def _make_private(path: Path) -> None:
    """Has a file that is this user's alone.

    Raises:
        OSError: It can't be read and written, or is something else, such as a link or a device.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Without following a link, or waiting for the other end of a pipe.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise OSError(errno.EINVAL, "it is no regular file of this user")
        # What others wrote or could read before is not theirs any more.
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
