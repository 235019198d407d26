"""Plots of what was simulated."""

from collections.abc import Callable
from pathlib import Path

from bench.fleet.cases import Found
from bench.fleet.fleet import Scenario
from bench.fleet.policies import POLICIES


def draw(found: Found, folder: Path) -> None:
    """Writes an SVG for each part: the 99th percentile of the time to the first token, and cached prompts.

    Args:
        found: What was found.
        folder: Where to; made if it is not there.
    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "fleet"  # the same file from the same figures
    folder.mkdir(parents=True, exist_ok=True)
    by_load = [it for it in found if it[0].part == "load"]
    by_size = [it for it in found if it[0].part == "size"]
    _plot(by_load, folder / "fleet-load.svg", "thousand requests an hour and replica", _load_of)
    _plot(by_size, folder / "fleet-size.svg", "replicas", lambda scenario: scenario.num_replicas, is_log=True)


def _load_of(scenario: Scenario) -> float:
    return scenario.requests_per_hour / scenario.num_replicas / 1000


def _plot(found: Found, file: Path, label: str, place: Callable[[Scenario], float], is_log: bool = False) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for policy in POLICIES:
        mine = [(case.scenario, outcome) for case, outcome in found if case.scenario.policy == policy]
        places = [place(scenario) for scenario, _ in mine]
        p99_ms = [1e3 * outcome.ttft_p99_s for _, outcome in mine]
        margins_ms = [1e3 * min(outcome.ttft_p99_margin_s, 0.9 * outcome.ttft_p99_s) for _, outcome in mine]
        left.errorbar(places, p99_ms, margins_ms, marker="o", markersize=4, capsize=2, label=policy)
        right.plot(places, [100 * outcome.cached for _, outcome in mine], marker="o", markersize=4, label=policy)
    left.set(ylabel="time to first token, p99, ms", yscale="log")
    right.set(ylabel="prompt tokens in a prefix cache, %", ylim=(0, 100))
    for axes in (left, right):
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
        if is_log:
            axes.set_xscale("log")
    left.legend()
    figure.savefig(file, metadata={"Date": None})
