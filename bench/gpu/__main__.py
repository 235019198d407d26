"""Everything about speed on a GPU in one command: `make bench-gpu`.

    python -m bench.gpu [--json FILE] [--budget-s 480] [--only TEXT]
    python -m bench.gpu --tiny --device cpu

Prints the table of docs/benchmarks.md for the card that is here, and writes all figures to a file after each row, so
that a run that is stopped keeps what it has; `python -m bench.roofline FILE` prints the table again. Weights are random
and of full size; nothing is downloaded. Each engine has a process of its own, first without accelerations, then with
all, then with single ones, as long as time lasts. It needs torch, transformers and numpy; what goes through gRPC and
REST needs what the service and the bridge need, and is left out where that is missing.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench import machine, roofline
from bench.gpu.isolation import Job, JobError, run_isolated
from bench.gpu.jobs import CeilingsJob
from bench.gpu.plan import SomeJob, fit, jobs
from bench.gpu.serving import ServingJob
from bench.roofline import Measurement, Rates

_LEAST_S = 10.0
"""A job is not begun with less time left."""


class Run:
    """What has been measured so far, on the disk and in the table.

    Args:
        options: The command line's.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._file: Path | None = options.json
        self._ends_at = time.monotonic() + options.budget_s
        self._begun_at = time.monotonic()
        self.found: dict[str, Any] = {
            "machine": machine.describe(options.device).line(),
            "device_name": _device_name(options.device),
            "is_tiny": options.tiny,
        }
        self.measurements: list[Measurement] = []

    def add(self, measurement: Measurement) -> None:
        """Keeps a row, writes all rows and says which one came."""
        self.measurements.append(measurement)
        values = measurement.values
        what = f"{len(values)} values, the first {values[0]:.6g}" if values else measurement.note
        self.say(f"{measurement.case}, {measurement.way}: {what}")
        if self._file is not None:
            self._file.write_text(roofline.to_json(self.found, self.measurements))

    def say(self, text: str) -> None:
        """Tells how it goes."""
        print(f"{time.monotonic() - self._begun_at:6.1f} s  {text}", file=sys.stderr, flush=True)

    def measure_ceilings(self, job: CeilingsJob) -> None:
        """Measures the card itself."""
        try:
            for rates in run_isolated(job):
                assert isinstance(rates, Rates)
                self.found["ceilings"] = vars(rates)
        except JobError as error:
            self.say(f"no ceilings: {error}")

    def measure(self, job: Job[Measurement], cases: list[str], way: str) -> None:
        """Runs a job; each of its cases gets a row, if only with the reason why it has no figure."""
        left_s = self._ends_at - time.monotonic()
        reason = "no time was left for it"
        if left_s > _LEAST_S:
            try:
                for measurement in run_isolated(job, left_s):
                    cases.remove(measurement.case)
                    self.add(measurement)
            except JobError as error:
                reason = str(error)
        for case in cases:
            self.add(Measurement(case, way, [], reason))

    def markdown(self) -> str:
        """The table."""
        return roofline.markdown(self.found, self.measurements)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ...; cpu only with --tiny")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all figures, after each row")
    parser.add_argument("--budget-s", type=float, default=480.0, help="what comes later is left out (%(default)g)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only rows whose name has it, such as 'AWQ'")
    parser.add_argument("--no-serving", action="store_true", help="leave out what goes through gRPC and REST")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes, to see that it runs")
    options = parser.parse_args(arguments)
    if options.device == "cpu" and not options.tiny:
        parser.error("full-size models take hours on a CPU: add --tiny")
    return options


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"


def _memory_bytes(device: str) -> float:
    return torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else float("inf")


def chosen(options: argparse.Namespace) -> list[SomeJob]:
    """The jobs with the cases that are asked for."""
    text = options.only.lower()
    left = []
    for job in jobs(options.device, options.tiny):
        cases = tuple(case for case in job.cases if text in case.name.lower())
        if cases and not (options.no_serving and isinstance(job, ServingJob)):
            left.append(replace(job, cases=cases))
    return left


def main(arguments: list[str] | None = None) -> None:
    """Measures and prints."""
    options = parse(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("no CUDA device: python -m bench.gpu measures one; --tiny --device cpu tries the benchmark itself")
    run = Run(options)
    run.measure_ceilings(CeilingsJob(options.device, options.tiny))
    for whole in chosen(options):
        job, too_large = fit(whole, _memory_bytes(options.device))
        for measurement in too_large:
            run.add(measurement)
        if job.cases:
            run.measure(job, [case.name for case in job.cases], job.way)
    print(run.markdown())


if __name__ == "__main__":
    main()
