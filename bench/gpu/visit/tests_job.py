"""The job that runs tests/gpu: a test that hangs or crashes ends only itself, and the others go on after it."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.gpu.visit.state import Found

_ROOT = Path(__file__).parents[3]
_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class TestsJob:
    """Runs files of tests, those first that tell most.

    Attributes:
        device: "cuda" or "cpu".
        paths: Files, or tests in them.
        before: The ids of tests that are not run again.
        output: A file that pytest's output is added to.
        each_s: When a test is ended.
        start_s: The same of what is before the first test, between tests, and after the last.
    """

    __test__ = False  # nothing for pytest to collect

    device: str
    paths: tuple[str, ...]
    before: tuple[str, ...]
    output: Path
    each_s: float = 60.0
    start_s: float = 60.0

    def run(self) -> Iterator[Found]:
        """Tells of each test.

        Raises:
            RuntimeError: pytest ends before its first test.
        """
        over = list(self.before)
        while True:
            run = _Run(self, over)
            for told in run.results():
                over.append(told["name"])
                yield Found("tests", told)
            if run.has_ended_itself:
                return


@dataclass
class _Run:
    """One process of pytest's.

    Attributes:
        job: What to run.
        over: The ids of tests to leave out.
        has_ended_itself: Whether no test has ended the process.
    """

    job: TestsJob
    over: list[str]
    has_ended_itself: bool = False
    _begun: str = field(default="", init=False)
    _lines: bytes = field(default=b"", init=False)

    def results(self) -> Iterator[dict[str, Any]]:
        """Each test's outcome."""
        reading, writing = os.pipe()
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as before, self.job.output.open("a") as output:
            before.write("\n".join(self.over))
            before.flush()
            command = [sys.executable, "-m", "pytest", *self.job.paths, "--device", self.job.device, "-v", "--tb=short"]
            command += ["-p", "no:cacheprovider", "-p", "bench.gpu.visit.told_tests"]
            command += ["--told-fd", str(writing), "--told-before", before.name]
            process = subprocess.Popen(command, cwd=_ROOT, stdout=output, stderr=output, pass_fds=[writing])
            os.close(writing)
            try:
                yield from self._told(process, reading)
            finally:
                process.kill()
                process.wait()
                os.close(reading)

    def _told(self, process: "subprocess.Popen[bytes]", reading: int) -> Iterator[dict[str, Any]]:
        begun_s, limit_s = time.monotonic(), self.job.start_s
        while (told := self._next(reading, begun_s + limit_s)) is not None:
            self._begun = told.get("begun", "")
            begun_s, limit_s = time.monotonic(), self.job.each_s if self._begun else self.job.start_s
            if "ended" in told:
                yield {"name": told.pop("ended"), **told}
        seconds = time.monotonic() - begun_s
        is_late = seconds >= limit_s
        if self._begun:
            process.kill()
            reason = "took too long" if is_late else f"its process ended with {process.wait()}"
            yield {"name": self._begun, "outcome": "ended", "seconds": round(seconds, 2), "detail": reason}
            return
        if is_late or process.wait() not in (0, 1, 5):  # all passed, some failed, none was left
            raise RuntimeError(f"pytest took too long, or ended with {process.poll()}: see {self.job.output.name}")
        self.has_ended_itself = True

    def _next(self, reading: int, ends_s: float) -> dict[str, Any] | None:
        """The next line; None if the process has ended or time is over."""
        with selectors.DefaultSelector() as selector:
            selector.register(reading, selectors.EVENT_READ)
            while b"\n" not in self._lines:
                if not selector.select(max(0.0, ends_s - time.monotonic())):
                    return None
                if not (read := os.read(reading, _READ_BYTES)):
                    return None
                self._lines += read
        line, _, self._lines = self._lines.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        return told
