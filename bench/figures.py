"""Puts tables and plots into docs/ from the JSON that the benchmarks have written.

    python -m bench.figures

A table stands between `<!-- figures: bench/results/FILE.json PART -->` and `<!-- /figures -->`. The file's name up
to the first dash or point says who wrote it: `peers.json` is of `python -m bench.peers --json`. A test compares.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bench import roofline
from bench.fleet.report import kept_table
from bench.peers import plot
from bench.peers.report import kept_tables

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "bench" / "results"
PLOTS: Final = ROOT / "docs" / "plots"

Found = Any  # JSON
TABLES: Final[Mapping[str, Callable[[Found, str], str]]] = {
    "peers": kept_tables,
    "fleet": kept_table,
    "visit": roofline.kept_table,
}
"""By kind of benchmark: makes the Markdown of a part again from the figures."""

DRAWINGS: Final[Mapping[str, Callable[[Found, Path], None]]] = {"peers": plot.draw}
"""By kind of benchmark: draws an SVG of all figures."""

_MARKED = re.compile(
    r"(?P<begin><!-- figures: (?P<file>\S+) (?P<part>[^>]*?) -->\n)(?P<text>.*?)(?P<end><!-- /figures -->)", re.DOTALL
)


def with_figures(text: str) -> str:
    """A document with its marked tables as the figures give them.

    Raises:
        FileNotFoundError: A marker names a file that is not there.
        KeyError: The file has no such part, or nobody knows what it is.
    """
    return _MARKED.sub(_marked, text)


def _marked(marked: re.Match[str]) -> str:
    file = ROOT / marked["file"]
    made = TABLES[kind_of(file)](json.loads(file.read_text()), marked["part"])
    return f"{marked['begin']}\n{made}\n\n{marked['end']}"


def kind_of(file: Path) -> str:
    """Which benchmark has written a file."""
    return re.split(r"[-.]", file.name)[0]


def draw(folder: Path) -> list[Path]:
    """Draws every result for which there is a drawing, and tells the files."""
    drawn = []
    for file in sorted(RESULTS.glob("*.json")):
        if kind_of(file) in DRAWINGS:
            drawn.append(folder / f"{file.stem}.svg")
            DRAWINGS[kind_of(file)](json.loads(file.read_text()), drawn[-1])
    return drawn


def main() -> None:
    """Rewrites the documents and the plots."""
    for document in sorted((ROOT / "docs").glob("*.md")):
        before = document.read_text()
        if (after := with_figures(before)) != before:
            document.write_text(after)
            print(f"wrote {document.relative_to(ROOT)}")
    PLOTS.mkdir(exist_ok=True)
    for file in draw(PLOTS):
        print(f"drew {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
