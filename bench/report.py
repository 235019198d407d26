"""Rounds, spreads and Markdown tables: what the engine's benchmarks have in common."""

import statistics
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_WIDTH = 120


@dataclass(frozen=True)
class Report:
    """What a benchmark found.

    Attributes:
        title: Its heading.
        note: What was measured, in a few sentences.
        tables: Tables in Markdown.
        figures: The figures of every round, for `--json`; nothing that JSON does not know.
    """

    title: str
    note: str
    tables: list[str]
    figures: dict[str, Any]

    def markdown(self, warning: str) -> str:
        """All of it, with a warning if there is one."""
        blocks = [f"## {self.title}", textwrap.fill(warning, _WIDTH), textwrap.fill(self.note, _WIDTH), *self.tables]
        return "\n\n".join(filter(None, blocks))


@dataclass(frozen=True)
class Spread:
    """The middle and the ends of a figure over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def cells(self, digits: int = 0) -> list[str]:
        """Median, min and max as a table shows them."""
        return [f"{value:.{digits}f}" for value in self.values()]

    def values(self) -> tuple[float, float, float]:
        """Median, min and max."""
        return self.median, self.least, self.most


def interleave(runs: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Runs each in turn, round after round, so that a slow moment of the machine falls on all.

    Returns:
        What each gave in every round; the round before the first warms up and is not kept.
    """
    results: dict[str, list[T]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            print(f"round {number} of {rounds}: {name}" if number else f"warming up: {name}", file=sys.stderr)
            result = run()
            if number:
                results[name].append(result)
    return results


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours by theirs of the same round."""
    return Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(cells) for cells in (headings, *rows)]
    return "\n".join([f"| {lines[0]} |", "|" + "---|" * len(headings), *(f"| {line} |" for line in lines[1:])])


def ratio_table(ratios: Mapping[str, tuple[Spread, str]]) -> str:
    """A Markdown table of ratios and their goals; a goal may be empty."""
    return table(
        ["ratio", "median", "min", "max", "goal"],
        [[name, *spread.cells(2), goal] for name, (spread, goal) in ratios.items()],
    )
