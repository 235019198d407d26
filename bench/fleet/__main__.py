"""Simulates fleets of replicas, from one to a thousand, and prints tables; with --plots it draws them.

    python -m bench.fleet [--quick] [--json FILE] [--plots FOLDER]

Everything that the result rests on is in `hardware.py` and `load.py`. Nothing is measured here, so it needs no card and
gives the same numbers on each machine.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from bench.fleet.fleet import Fleet, Outcome, Scenario
from bench.fleet.hardware import H200_8B
from bench.fleet.plots import draw
from bench.fleet.policies import POLICIES

_BASE = Scenario(hardware=H200_8B, num_replicas=16, requests_per_hour=160_000, policy="")
_LOADS = (20_000, 40_000, 80_000, 120_000, 160_000)
_SIZES = (1, 4, 16, 64, 256, 1000)
_SIZED_LOAD = 10_000
_TEN_MILLION = 10_000_000
_SIZES_FOR_TEN_MILLION = (64, 80, 100, 150)
_FAULTS_LOAD = 60_000

Row = tuple[str, str, Scenario, Outcome]
"""The part of the report, the policy, and what was found."""


def scenarios(is_quick: bool) -> Iterator[tuple[str, Scenario]]:
    """What is simulated, part by part."""
    base = replace(_BASE, num_replicas=2, duration_s=10.0, warm_up_s=5.0) if is_quick else _BASE
    for load in _LOADS[:2] if is_quick else _LOADS:
        yield "load", replace(base, requests_per_hour=load * base.num_replicas)
    for size in _SIZES[:2] if is_quick else _SIZES:
        sized = replace(base, num_replicas=size, requests_per_hour=_SIZED_LOAD * size)
        yield "size", _short(sized) if size > 64 else sized
    for size in () if is_quick else _SIZES_FOR_TEN_MILLION:
        yield "ten million", _short(replace(base, num_replicas=size, requests_per_hour=_TEN_MILLION))
    long = replace(base, requests_per_hour=_FAULTS_LOAD * base.num_replicas)
    if not is_quick:
        long = replace(long, duration_s=900.0)
    yield "faults", long
    yield "faults", replace(long, failures_per_hour=6.0)
    yield "faults", replace(long, is_rolling=True)


def _short(scenario: Scenario) -> Scenario:
    return replace(scenario, duration_s=60.0, warm_up_s=30.0)


def run(is_quick: bool) -> list[Row]:
    """Simulates everything, with a line on standard error for each."""
    rows: list[Row] = []
    for part, scenario in scenarios(is_quick):
        for policy in POLICIES:
            begun_s = time.monotonic()
            outcome = Fleet(replace(scenario, policy=policy)).run()
            rows.append((part, policy, scenario, outcome))
            text = f"{part}, {scenario.num_replicas} replicas, {policy}: {outcome.num_requests} requests counted"
            print(f"{time.monotonic() - begun_s:6.1f} s  {text}", file=sys.stderr, flush=True)
    return rows


def markdown(rows: list[Row]) -> str:
    """A table for each part."""
    tables = []
    for part in dict.fromkeys(row[0] for row in rows):
        lines = [
            f"### {part.capitalize()}\n",
            "| replicas | requests/h | faults | policy | TTFT p50, ms | TTFT p99, ms | between tokens p99, ms "
            "| answered well | cut off | sent again | cached | busy | $ a million |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        lines += [_line(policy, scenario, outcome) for name, policy, scenario, outcome in rows if name == part]
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def _line(policy: str, scenario: Scenario, outcome: Outcome) -> str:
    cells = (
        f"{scenario.num_replicas:,}",
        f"{scenario.requests_per_hour:,.0f}",
        _faults_of(scenario),
        policy,
        f"{1e3 * outcome.ttft_p50_s:.0f}",
        f"{1e3 * outcome.ttft_p99_s:.0f}",
        f"{1e3 * outcome.inter_token_p99_s:.1f}",
        f"{outcome.goodput:.2%}",
        f"{outcome.failed:.2%}",
        f"{outcome.retried:.2%}",
        f"{outcome.cached:.0%}",
        f"{outcome.busy:.0%}",
        f"{outcome.dollars_per_million:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _faults_of(scenario: Scenario) -> str:
    if scenario.is_rolling:
        return "all restarted in turn"
    if scenario.failures_per_hour:
        return f"each replica dies {scenario.failures_per_hour:g} times an hour"
    return "none"


def main(arguments: list[str] | None = None) -> None:
    """Simulates and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few and small fleets, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all figures")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where to draw them")
    options = parser.parse_args(arguments)
    rows = run(options.quick)
    if options.json:
        found = [{"part": part, "scenario": asdict(it), "policy": policy, **asdict(o)} for part, policy, it, o in rows]
        options.json.write_text(json.dumps(found, indent=1))
    if options.plots:
        draw(rows, options.plots)
    print(f"{H200_8B.name}\n\n{markdown(rows)}")


if __name__ == "__main__":
    main()
