"""The plot of docs/benchmarks.md: each engine's rates, by precision."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.peers.cases import DECODE_1, DECODE_16, PREFILL
from bench.peers.contestants import PRECISIONS
from bench.peers.report import figures_of, title_of

_COLUMNS: Final = (DECODE_1.name, DECODE_16.name, PREFILL.name)
_OURS, _PEER = "#0f766e", "#94a3b8"


def draw(found: Mapping[str, Any], file: Path) -> None:
    """Writes an SVG: a row of bars for each precision, one bar for each engine; equal figures give an equal file.

    Args:
        found: What `--json` has kept.
        file: Where to.
    """
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib.figure import Figure

    mpl.rcParams |= {"svg.hashsalt": "peers", "svg.fonttype": "none", "font.size": 8}
    precisions = [precision for precision in PRECISIONS if title_of(precision) in found]
    figure = Figure(figsize=(10, 1.9 * len(precisions)), layout="constrained")
    grid = figure.subplots(len(precisions), len(_COLUMNS), squeeze=False, sharey="row")
    for precision, row in zip(precisions, grid, strict=True):
        rates = figures_of(found, precision).rates
        names = list(rates)[::-1]
        colors = [_OURS if name.startswith("Runstream") else _PEER for name in names]
        for column, axes in zip(_COLUMNS, row, strict=True):
            bars = axes.barh(names, [statistics.median(rates[name][column]) for name in names], color=colors)
            axes.bar_label(bars, fmt="%.0f", padding=2)
            axes.set_title(f"{precision}, {column}, tokens/s")
            axes.margins(x=0.15)
            axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})
