"""Markdown that is rendered while it comes: finished blocks stay, the one that grows is drawn anew."""

import re
from types import TracebackType
from typing import Final, Self

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

from runstream.terminal.escapes import Visible, visible

_FENCE: Final = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})")
# What may belong to the block before an empty line: items of a list and what is indented.
_GOES_ON: Final = re.compile(r"\s|[-*+>|]|\d+[.)]")
_SPARE_LINES: Final = 2


def num_finished(text: str) -> int:
    """How many characters of a text are blocks that nothing can change any more."""
    finished = position = 0
    fence, is_after_empty = "", False
    for line in text.splitlines(keepends=True):
        is_new_block = is_after_empty and not fence and line.strip() and not _GOES_ON.match(line)
        if is_new_block:
            finished = position
        found = _FENCE.match(line)
        if found and not fence:
            fence = found["fence"]
        elif found and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        is_after_empty = not line.strip()
        position += len(line)
    return finished


class _LastLines:
    """The last lines of what is rendered, as many as the screen has."""

    def __init__(self, renderable: RenderableType) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._renderable, options, pad=False)
        for line in lines[-max(1, console.height - _SPARE_LINES) :]:
            yield from line
            yield Segment.line()


class MarkdownAnswer:
    """An answer on a terminal. What is written of it must be a model's text: nothing in it reaches the terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pending = ""
        self._live = Live(console=console, transient=True, refresh_per_second=8)

    def write(self, text: str) -> None:
        """Adds what follows."""
        self._pending += text
        end = num_finished(self._pending)
        if end:
            self._console.print(_rendered(self._pending[:end]))
            self._console.print()
            self._pending = self._pending[end:]
        self._live.update(_LastLines(_rendered(self._pending)))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.update("")
        self._live.stop()
        if self._pending:
            self._console.print(_rendered(self._pending))


def _rendered(text: str) -> Visible:
    # A link's address is printed: as a hyperlink it would be hidden in an escape sequence.
    return Visible(Markdown(visible(text), hyperlinks=False))
