"""A plugin of pytest's that tells of each test as it begins and ends, on a descriptor, and leaves out what has run.

python -m pytest -p bench.gpu.visit.told_tests --told-fd 3 --told-before FILE
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    parser.addoption("--told-fd", type=int, help="where a line of JSON is written to")
    parser.addoption("--told-before", type=Path, help="a file with the ids of tests to leave out, one a line")


def pytest_configure(config: pytest.Config) -> None:
    """Begins to tell."""
    config.pluginmanager.register(_Teller(config.getoption("--told-fd")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what has run."""
    file = config.getoption("--told-before")
    before = set(file.read_text().splitlines()) if file else set()
    items[:] = [item for item in items if item.nodeid not in before]


class _Teller:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell({"begun": nodeid})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has an outcome after its call, or before it if it is skipped or can't be set up."""
        if report.failed:
            print(report.longreprtext, flush=True)  # pytest tells it at its end, which a crash may be before
        if report.when == "call" or not report.passed:
            told = {"outcome": report.outcome, "seconds": round(report.duration, 2), "detail": _reason(report)}
            self._tell({"ended": report.nodeid, **told})

    def _tell(self, told: dict[str, Any]) -> None:
        os.write(self._descriptor, json.dumps(told).encode() + b"\n")


def _reason(report: pytest.TestReport) -> str:
    """Why a test was skipped, or the first line of its error; empty for one that passed."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(crash.message if crash else report.longrepr or "").strip().splitlines()
    return lines[0][:300] if lines else ""
