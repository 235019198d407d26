"""Where the lines of a conversation come from: a person at a terminal, or a pipe."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final, Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from runstream.terminal.bounded_input import decoded
from runstream.terminal.failures import Failure

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
        history = _file_history() if is_kept else InMemoryHistory()
        self._session: PromptSession[str] = PromptSession(history=history, key_bindings=_key_bindings())

    def read(self) -> str | None:
        """The next line, or lines; None for Ctrl-D."""
        while True:
            try:
                return self._runner.run(self._session.prompt_async(PROMPT))
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None


def _key_bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


def history_path() -> Path:
    """Where what was typed is kept."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "runstream/history"


def _file_history() -> History:
    path = history_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # What others wrote or could read before is not theirs any more.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
