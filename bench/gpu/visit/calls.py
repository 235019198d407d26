"""One call of a visit: its parts one after the other, each in a process of its own and with a limit of its own."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.gpu.isolation import JobError, run_isolated
from bench.gpu.plan import SomeJob, fit
from bench.gpu.visit.report import report
from bench.gpu.visit.state import LOG, SUMMARY, TESTS, Outcome, Result, State, cut_files, write_whole
from bench.roofline import Measurement

_LEAST_S = 8.0
"""A part is not begun with less time left."""


class Runs(Protocol):
    """What can run in a process of its own; pickled on its way there."""

    def run(self) -> Iterator[Result]:
        """Gives results one by one."""
        ...


@dataclass(frozen=True)
class Part:
    """Something to find out.

    Attributes:
        name: Its name, on the command line too.
        limit_s: When its process is killed.
        job: Makes what runs, of what was found so far.
        is_of_each_call: Whether each call does it again, as each may have another machine.
    """

    name: str
    limit_s: float
    job: Callable[[State], Runs]
    is_of_each_call: bool = False


@dataclass(frozen=True)
class _Logged:
    """Runs a job whose output, and that of what it starts, goes to the end of a file; pickled on its way there."""

    job: Runs
    file: Path
    heading: str
    limit_s: float

    def run(self) -> Iterator[Result]:
        """Gives the job's results."""
        with self.file.open("a") as log:
            print(f"=== {self.heading}", file=log, flush=True)
            for descriptor in (1, 2):
                os.dup2(log.fileno(), descriptor)
        logging.basicConfig(level=logging.INFO)
        yield from self.job.run()


class Call:
    """Does what is left to do until its time is over.

    Args:
        state: What was found so far.
        folder: Where the files are that come back.
        limit_s: How long it may take.
    """

    def __init__(self, state: State, folder: Path, limit_s: float) -> None:
        self._state, self._folder = state, folder
        self._begun_s = time.monotonic()
        self._ends_s = self._begun_s + limit_s

    def run(self, parts: Sequence[Part]) -> None:
        """Does the parts that are not over yet, in their order."""
        for part in parts:
            if part.is_of_each_call or not self._state.is_over(part.name):
                self._do(part)
                self._write_texts()

    def _do(self, part: Part) -> None:
        begun_s = time.monotonic()
        left_s = self._ends_s - begun_s
        if left_s < min(_LEAST_S, part.limit_s):
            self._state.add_outcome(part.name, Outcome.CUT, 0.0, "no time was left to begin it")
            return
        self._say(f"{part.name} ...")
        outcome, detail = Outcome.DONE, ""
        try:
            self._run(part, part.job(self._state), min(part.limit_s, left_s))
        except JobError as error:
            is_cut = left_s < part.limit_s and time.monotonic() >= self._ends_s
            outcome, detail = (Outcome.CUT if is_cut else Outcome.FAILED), str(error)
        self._state.add_outcome(part.name, outcome, time.monotonic() - begun_s, detail)
        self._say(f"{part.name}: {outcome} {detail}")

    def _run(self, part: Part, job: Runs, limit_s: float) -> None:
        if not isinstance(job, SomeJob):
            self._keep_results(part, job, limit_s)
            return
        left, too_large = fit(job, self._state.found.get("memory_bytes") or float("inf"))
        for row in too_large:
            self._state.add(row)
        if left.cases:
            self._measure(part, left, limit_s)

    def _measure(self, part: Part, job: SomeJob, limit_s: float) -> None:
        """Each of the job's cases gets a row, if only with the reason why it has no figure; but for a call's end."""
        try:
            self._keep_results(part, job, limit_s)
        except JobError as error:
            if time.monotonic() < self._ends_s:
                for case in job.cases:
                    if case.name not in self._state.measured(job.way):
                        self._state.add(Measurement(case.name, job.way, [], str(error)))
            raise

    def _keep_results(self, part: Part, job: Runs, limit_s: float) -> None:
        for result in run_isolated(_Logged(job, self._folder / LOG, part.name, limit_s)):
            self._state.add(result)

    def _write_texts(self) -> None:
        write_whole(self._folder / SUMMARY, report(self._state))
        cut_files([self._folder / name for name in (LOG, TESTS, SUMMARY)])

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._begun_s:6.1f} s  {text}", file=sys.stderr, flush=True)
