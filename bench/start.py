"""How long a start takes, from the command to the first answer: `python -m bench.start`.

Each round starts `make run`, asks for a completion until one comes, and ends everything. The first one warms up.
"""

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click

from bench.machine import Watch, describe, warning
from bench.report import Report, Spread, interleave, table

_ROOT = Path(__file__).parents[1]
_ASKED_EVERY_S = 0.02
_GIVEN_UP_AFTER_S = 120.0
_DEMO = "@runstream/demo"


@dataclass(frozen=True)
class Start:
    """One start, in seconds.

    Attributes:
        first_line_s: Until it shows something.
        answer_s: Until a completion is answered.
        cpu_s: The CPU time of all processes, from the command until they have ended.
    """

    first_line_s: float
    answer_s: float
    cpu_s: float


class StartError(Exception):
    """It did not start."""


def measure(model: str) -> Start:
    """Starts everything with a model, and ends it.

    Args:
        model: As `make run MODEL=` takes it; empty for the demo model.

    Raises:
        StartError: There was no answer.
    """
    port, service_port = _free_port(), _free_port()
    command = ["make", "run", f"PORT={port}", f"ARGS=--service-port {service_port} --metrics-port 0"]
    cpu_before_s, begun_at = _cpu_of_children_s(), time.perf_counter()
    with _running([*command, *([f"MODEL={model}"] if model else [])]) as make:
        lines = _LineTimes(make)
        _wait_for_answer(port, model or _DEMO, make)
        answered_at = time.perf_counter()
    first_line_s = lines.first_at() - begun_at
    return Start(first_line_s, answered_at - begun_at, _cpu_of_children_s() - cpu_before_s)


class _LineTimes:
    """Reads what a process writes, so that it never has to wait, and notes when the first line came."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._output = process.stdout
        self._first_at = float("inf")
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def first_at(self) -> float:
        """When the first line came; to be asked at the end."""
        self._reading.join()
        return self._first_at

    def _read(self) -> None:
        assert self._output is not None
        with self._output:
            for _ in self._output:
                self._first_at = min(self._first_at, time.perf_counter())


@contextlib.contextmanager
def _running(command: list[str]) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait()


def _wait_for_answer(port: int, model: str, make: "subprocess.Popen[bytes]") -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1})
    given_up_at = time.perf_counter() + _GIVEN_UP_AFTER_S
    while time.perf_counter() < given_up_at and make.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_GIVEN_UP_AFTER_S)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request(
                "POST", f"/client/v4/accounts/bench/ai/run/{model}", body, {"Content-Type": "application/json"}
            )
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        time.sleep(_ASKED_EVERY_S)
    raise StartError(f"no completion within {_GIVEN_UP_AFTER_S:.0f} s: make run says why")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report_of(models: list[str], rounds: int) -> Report:
    """Measures a start with each model in turn."""
    starts = interleave({model or _DEMO: partial(measure, model) for model in models}, rounds)
    rows = []
    for name, found in starts.items():
        for field, label in (("first_line_s", "first line"), ("answer_s", "first answer"), ("cpu_s", "CPU time")):
            rows.append([f"{name}, {label}", *Spread.of([getattr(start, field) for start in found]).cells(1)])
    figures = {name: [asdict(start) for start in found] for name, found in starts.items()}
    note = "From the command until it shows something, and until a completion of one token is answered over HTTP."
    return Report("Start", note, [table(["seconds", "median", "min", "max"], rows)], figures)


@click.command()
@click.option("--model", "models", multiple=True, default=["", "smollm2"], help="As make run MODEL= takes it.")
@click.option("--rounds", default=5, show_default=True)
def main(models: tuple[str, ...], rounds: int) -> None:
    """Prints a table in Markdown."""
    machine, watch = describe("cpu"), Watch()
    report = report_of(list(models), rounds)
    print(f"{machine.line()}\n")
    print(report.markdown(warning(machine.load_average[0], watch.cores_of_others())))


if __name__ == "__main__":
    main()
