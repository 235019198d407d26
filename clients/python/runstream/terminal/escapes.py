"""Shows control characters instead of letting the terminal obey them: what a model writes is text and nothing else."""

import re
from collections.abc import Iterable
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

# The controls of ASCII and of ISO 8859-1 but tab and line feed, what reorders a line, and halves of characters.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text with control characters written as in Python, such as \x1b for escape; tabs and line feeds stay."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """The text on one line, for messages."""
    return visible(" ".join(text.split()))


class Visible:
    """What rich renders, with control characters shown: Markdown's entities, as &#27;, become them while it renders."""

    def __init__(self, renderable: RenderableType) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _shown(console.render(self._renderable, options))


def _shown(segments: Iterable[Segment]) -> Iterable[Segment]:
    for segment in segments:
        yield segment if segment.control else Segment(visible(segment.text), segment.style)
