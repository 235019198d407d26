"""Simulates fleets of replicas, from one to a thousand, and prints tables; with --plots it draws them.

    python -m bench.fleet [--quick] [--json FILE] [--plots FOLDER]

Everything that the result rests on is in `hardware.py` and `load.py`. Nothing is measured here, so it needs no card and
gives the same numbers on each machine. What stands in FILE is not simulated again; remove it when the code changes.
"""

import argparse
import sys
import time
from pathlib import Path

from bench.fleet.cases import Found, Kept, cases
from bench.fleet.fleet import Fleet
from bench.fleet.hardware import H200_8B
from bench.fleet.plots import draw
from bench.fleet.report import markdown


def run(is_quick: bool, kept: Kept) -> Found:
    """Simulates what is not kept yet, with a line on standard error for each."""
    found: Found = []
    for case in cases(is_quick):
        outcome = kept.outcome(case)
        if outcome is None:
            begun_s = time.monotonic()
            outcome = Fleet(case.scenario).run()
            kept.add(case, outcome)
            scenario = case.scenario
            text = f"{case.part}, {scenario.num_replicas} replicas, {scenario.policy}: {outcome.num_requests} requests"
            print(f"{time.monotonic() - begun_s:6.1f} s  {text}", file=sys.stderr, flush=True)
        found.append((case, outcome))
    return found


def main(arguments: list[str] | None = None) -> None:
    """Simulates and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few and small fleets, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keeps all figures, and goes on from them")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where to draw them")
    options = parser.parse_args(arguments)
    found = run(options.quick, Kept(options.json))
    if options.plots:
        draw(found, options.plots)
    print(f"{H200_8B.name}\n\n{markdown(found)}")


if __name__ == "__main__":
    main()
