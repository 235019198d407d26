"""Prints how long the sentences of the documents are. It informs, and fails nothing.

python -m scripts.readability [FILE ...]
"""

import re
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_LONG_WORDS = 30

_LEFT_OUT = (
    re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL),  # code
    re.compile(r"^(?: {4}|\t).*$", re.MULTILINE),  # code by indentation, and the second lines of items
    re.compile(r"^(?:\||#|!\[).*$", re.MULTILINE),  # tables, headings, pictures
)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ITEM = r"\s*(?:[-*]|\d+\.)\s"
_BREAK = re.compile(rf"\n\s*\n(?:{_ITEM})?|\n{_ITEM}|\s·\s")  # between paragraphs and items, also those of a line
_END = re.compile(r"(?<=[.!?:])[*_)\"']*\s+(?=[\"'(*`\[]*[A-Z0-9`])")


def sentences(text: str) -> list[str]:
    """The sentences of a Markdown text, without its code, tables and headings. A colon before a capital ends one."""
    for pattern in _LEFT_OUT:
        text = pattern.sub("", text)
    blocks = _BREAK.split(_LINK.sub(r"\1", text))
    found = [part.strip() for block in blocks for part in _END.split(" ".join(block.split()))]
    return [sentence for sentence in found if _num_words(sentence) > 1]


def _num_words(sentence: str) -> int:
    return len(re.findall(r"[^\s·—]+", sentence))


def documents() -> list[Path]:
    """README, ARCHITECTURE, CONTRIBUTING and the pages of docs/."""
    tops = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
    return [*tops, *sorted((ROOT / "docs").glob("*.md"))]


def main(paths: list[Path]) -> None:
    """Prints a line for each document, and one for all."""
    print(f"{'document':28} sentences  mean words  over {_LONG_WORDS} words")
    everything: list[int] = []
    for path in paths:
        counts = [_num_words(sentence) for sentence in sentences(path.read_text())]
        everything += counts
        _print_row(path.name, counts)
    _print_row("all", everything)


def _print_row(name: str, counts: list[int]) -> None:
    long = sum(count > _LONG_WORDS for count in counts)
    if counts:
        print(f"{name:28} {len(counts):9}  {statistics.mean(counts):10.1f}  {long / len(counts):13.1%}")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or documents())
