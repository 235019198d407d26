"""The tables: tokens per second, and this engine's by each peer's."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from bench.peers.cases import COLUMNS, DECODE_1, DECODE_16
from bench.peers.contestants import Contestant
from bench.peers.rounds import Figures
from bench.report import Spread, ratio, table

GOALS: Final[Mapping[str, Sequence[str]]] = {
    "float32": ("1.0", "1.3", "", "1.1"),
    "16bit": ("0.95", "1.3", "", "1.3"),
    "int8": ("0.95", "1.3", "", "1.3"),
    "int4": ("0.85", "1.3", "", "1.3"),
}
"""The least of this engine's rates by the best peer's, a number or nothing for each of `COLUMNS`."""


def rates_table(contestants: Sequence[Contestant], figures: Figures, num_parameters: Mapping[str, int]) -> str:
    """Medians of tokens per second, the most memory, and how near decoding is to reading memory.

    Args:
        contestants: The engines of one precision.
        figures: What they gave.
        num_parameters: Those of `layers` and of the `head`.
    """
    headings = ["engine", *(f"{column}, tokens/s" for column in COLUMNS), "peak MiB", "of the read bandwidth, decode 1"]
    return table(headings, [_rates_row(contestant, figures, num_parameters) for contestant in contestants])


def _rates_row(contestant: Contestant, figures: Figures, num_parameters: Mapping[str, int]) -> list[str]:
    if contestant.name not in figures.rates:
        return [contestant.name, f"not measured: {figures.missing[contestant.name]}", *[""] * (len(COLUMNS) + 1)]
    rates = figures.rates[contestant.name]
    medians = [rate_cell(rates[column]) for column in COLUMNS]
    step_bytes = (contestant.layer_bits * num_parameters["layers"] + contestant.head_bits * num_parameters["head"]) / 8
    reads = [rate * step_bytes for rate in rates[DECODE_1.name]]
    share = ratio(reads, figures.bytes_per_s).median
    return [contestant.name, *medians, f"{figures.peak_mib[contestant.name]:.0f}", f"{share:.0%}"]


def ratios_table(contestants: Sequence[Contestant], figures: Figures) -> str:
    """This engine's rates by those of each peer and of the best one, and the goals; empty if one side is missing."""
    measured = [contestant for contestant in contestants if contestant.name in figures.rates]
    peers = [contestant.name for contestant in measured if not contestant.is_ours]
    rows: list[list[str]] = []
    for ours in (contestant.name for contestant in measured if contestant.is_ours):
        rows += [[f"{ours} / {peer}", *(_ratio(figures, ours, peer, column) for column in COLUMNS)] for peer in peers]
        if len(peers) > 1:
            best = [best_peer(peers, figures, column) for column in COLUMNS]
            cells = [
                f"{_ratio(figures, ours, peer, column)} {peer}" for peer, column in zip(best, COLUMNS, strict=True)
            ]
            rows.append([f"**{ours} / the best peer**", *cells])
    if not rows or not peers:
        return ""
    rows.append(["goal", *GOALS[contestants[0].precision]])
    return table(["ratio of the same rounds, median (min to max)", *COLUMNS], rows)


def _ratio(figures: Figures, ours: str, peer: str, column: str) -> str:
    return spread_cell(ratio(figures.rates[ours][column], figures.rates[peer][column]))


def best_peer(peers: Sequence[str], figures: Figures, column: str) -> str:
    """The peer with the highest median of a column."""
    medians = {peer: statistics.median(figures.rates[peer][column]) for peer in peers}
    return max(medians, key=medians.__getitem__)


def rate_cell(rates: Sequence[float]) -> str:
    """A median as a table shows it, with three digits or all that stand before the point."""
    median = statistics.median(rates)
    return f"{median:.0f}" if median >= 100 else f"{median:.3g}"


def spread_cell(spread: Spread) -> str:
    """A ratio as a table shows it."""
    return "{:.2f} ({:.2f} to {:.2f})".format(*spread.values())


def served_tables(figures: Figures) -> list[str]:
    """Tokens per second over HTTP, and the ratios: of the server to its engine alone, and of it to the peer's."""
    columns = {DECODE_1.name: "1 stream, tokens/s", DECODE_16.name: "16 streams, tokens/s"}
    rows = [
        [name, *(rate_cell(rates[column]) if column in rates else "" for column in columns)]
        for name, rates in figures.rates.items()
    ]
    rows += [[name, f"not measured: {reason}", ""] for name, reason in figures.missing.items()]
    ours, *others = figures.rates
    ratios = [
        [f"{ours} / {other}", *(_served_ratio(figures, ours, other, column) for column in columns)] for other in others
    ]
    headings = ["", *columns.values()]
    return [table(headings, rows), table(["ratio of the same rounds, median (min to max)", "1", "16"], ratios)]


def _served_ratio(figures: Figures, ours: str, other: str, column: str) -> str:
    return _ratio(figures, ours, other, column) if column in figures.rates[other] else ""
