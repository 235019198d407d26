"""What one precision's engines gave, as it is printed and as docs/benchmarks.md has it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench import machine
from bench.peers.contestants import CONTESTANTS, Contestant
from bench.peers.rounds import Figures
from bench.peers.tables import rates_table, ratios_table, served_tables
from bench.report import Report, Spread


def precision_report(
    precision: str, contestants: Sequence[Contestant], figures: Figures, sizes: Mapping[str, int]
) -> Report:
    """The tables of the engines alone in one precision."""
    read = Spread.of([rate / 1e9 for rate in figures.bytes_per_s])
    note = "One thread read {:.1f} GB/s of memory ({:.1f} to {:.1f}) in the same rounds.".format(*read.values())
    tables = [rates_table(contestants, figures, sizes), ratios_table(contestants, figures)]
    return Report(title_of(precision), note, [*filter(None, tables)], asdict(figures))


def title_of(precision: str) -> str:
    """The heading of a precision, under which its figures are in the JSON."""
    return f"Beside other engines, {precision}"


def figures_of(found: Mapping[str, Any], precision: str) -> Figures:
    """What a file of `--json` has of a precision."""
    return Figures(**found[title_of(precision)])


def served_title_of(precision: str) -> str:
    """The heading of its servers, by which their figures are kept, too."""
    return f"Over HTTP, {precision}"


def kept_tables(found: Mapping[str, Any], part: str) -> str:
    """The same tables again, from what `--json` has kept, without their heading.

    Args:
        found: What was kept.
        part: A precision, for its engines; with "served " before it for its servers.
    """
    precision = part.removeprefix("served ")
    if part != precision:
        return "\n\n".join(served_tables(Figures(**found[served_title_of(precision)])))
    figures = figures_of(found, precision)
    names = {*figures.rates, *figures.missing}
    contestants = [one for one in CONTESTANTS if one.precision == precision and one.name in names]
    report = precision_report(precision, contestants, figures, found["num_weights"])
    text = report.markdown(machine.warning(found["machine"]["load_average"][0]))
    return text.partition("\n\n")[2]
