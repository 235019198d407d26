"""Markdown that is rendered while it comes: finished blocks stay, the one that grows is drawn anew."""

from types import TracebackType
from typing import Final, Self

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

from runstream.terminal.escapes import Visible, visible

_SPARE_LINES: Final = 2
# Markdown as rich reads it.
_PARSER: Final = MarkdownIt().enable("strikethrough").enable("table")


def num_finished(text: str) -> int:
    """How many characters of a text are blocks that nothing can change any more: all before the last one."""
    lines = text.split("\n")
    tops = [token.map[0] for token in _PARSER.parse(text) if token.level == 0 and token.map]
    # A line that still grows may yet belong to what is above it: "***" is a rule, "***so***" is none, "2" becomes "2.".
    if tops and tops[-1] == len(lines) - 1 and (lines[tops[-1] - 1].strip() or lines[-1].strip().isdigit()):
        tops.pop()
    return sum(len(line) + 1 for line in lines[: tops[-1]]) if tops else 0


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
    """An answer on a terminal. Control characters in it are shown and never obeyed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pending = ""
        self._live = Live(console=console, transient=True, refresh_per_second=8, get_renderable=self._last_lines)

    def write(self, text: str) -> None:
        """Adds what follows."""
        self._pending += visible(text)
        # Blocks begin with lines.
        if "\n" in text and (end := num_finished(self._pending)):
            finished, self._pending = self._pending[:end], self._pending[end:]
            self._console.print(_rendered(finished))
            self._console.print()

    def _last_lines(self) -> RenderableType:
        return _LastLines(_rendered(self._pending))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        rest, self._pending = self._pending, ""
        self._live.stop()
        if rest:
            self._console.print(_rendered(rest))


def _rendered(text: str) -> Visible:
    # A link's address is printed: as a hyperlink it would be hidden in an escape sequence.
    return Visible(Markdown(text, hyperlinks=False))
