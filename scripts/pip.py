"""Runs pip in an environment: one progress line instead of its output, one sentence instead of its failures."""

import json
import platform
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from scripts.progress import ProgressLine


class SetupError(Exception):
    """Setting up failed; the message says in one line why and what to do."""


FAILURES = (
    (r"No space left on device", "the disk is full: free some space and run the same command again"),
    (
        r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Connection(Reset|Refused)?Error"
        r"|Network is unreachable|name resolution|Name or service not known|nodename nor servname",
        "can't reach the package index: check the network (or pip's proxy setting) and run the same command again",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "the package index has a certificate that pip doesn't trust: see pip's `cert` setting",
    ),
    (
        r"No matching distribution found for (?P<requirement>\S+)",
        f"the package index has no {{requirement}} for Python {platform.python_version()} on "
        f"{platform.system()} {platform.machine()}: see docs/quickstart.md for what is supported",
    ),
)
"""What pip's output tells about a failure, most telling first: a pattern and what to say."""


def explain(output: str) -> str | None:
    """Turns pip's output into one sentence, if it is a failure that we know."""
    for pattern, sentence in FAILURES:
        if found := re.search(pattern, output):
            return sentence.format(**found.groupdict())
    return None


class Pip:
    """The pip of an environment."""

    def __init__(self, python: Path, venv: Path, constraints: Path) -> None:
        self._constraints = constraints
        self._log = venv / "install.log"
        self._command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "2"]
        self._log.write_text("")

    def update_itself(self) -> None:
        """Installs the pinned pip: an older one can't say how far a download is."""
        self._run("install", "--constraint", str(self._constraints), "pip")

    def install(self, *arguments: str) -> None:
        """Installs pinned packages.

        Raises:
            SetupError: if it can't.
        """
        self._run("install", "--progress-bar", "raw", "--constraint", str(self._constraints), *arguments)

    def has(self, package: str) -> bool:
        """Tells whether a package is installed."""
        return subprocess.run([*self._command, "show", "--quiet", package], stderr=subprocess.DEVNULL).returncode == 0

    def file_of(self, package: str) -> str:
        """The address of the file that pip would install for a pinned package.

        Raises:
            SetupError: if there is none.
        """
        report = self._log.with_name("report.json")
        arguments = ("--dry-run", "--no-deps", "--ignore-installed", "--quiet", "--report", str(report), package)
        self.install(*arguments)
        return str(json.loads(report.read_text())["install"][0]["download_info"]["url"]).replace("%2B", "+")

    def _run(self, *arguments: str) -> None:
        with (
            self._log.open("a", encoding="utf-8", errors="backslashreplace") as log,
            subprocess.Popen(
                [*self._command, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            ) as process,
        ):
            assert process.stdout is not None
            progress = ProgressLine()
            with progress.ticking():
                tail = show_progress(progress, keep_in(log, process.stdout))
        if process.returncode != 0:
            known = explain("\n".join(tail))
            last = next((line for line in reversed(tail) if line.startswith("ERROR")), "no reason given")
            raise SetupError(known or f"pip failed: {last} (its output is in {self._log})")


def keep_in(log: TextIO, lines: Iterator[str]) -> Iterator[str]:
    """Passes lines on, each written to the log first."""
    for line in lines:
        if not line.startswith("Progress "):
            log.write(line)
        yield line.rstrip()


def show_progress(progress: ProgressLine, lines: Iterator[str]) -> list[str]:
    """Shows what pip is doing while it prints; returns its last 100 lines."""
    tail, file = [""], ""
    for line in lines:
        match line.split():
            case ["Progress", done, "of", total] if done.isdecimal() and total.isdecimal() and int(total) > 10**6:
                progress.show(f"downloading {file}: {int(done) // 10**6} of {int(total) // 10**6} MB")
            case ["Downloading", name, *_]:
                file = "-".join(name.rsplit("/", 1)[-1].split("-")[:2])
                progress.show(f"downloading {file}")
            case ["Installing", "collected", "packages:", *names] if len(names) > 1:
                progress.milestone(f"installing {len(names)} packages")
            case ["Collecting", name, *_]:
                progress.show(f"looking up {name}")
        tail = [*tail[-100:], line]
    return tail
