"""Service and bridge as processes that a test ends and starts one by one."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.support.ports import unused_ports
from tests.support.processes import read_until
from tests.support.running_stack import ROOT
from tests.support.service_process import children

_ENGINES = {"service.engine.process", "bench.serving.scripted_engine"}


@dataclass
class SeparateStack:
    """A bridge and the service behind it.

    Attributes:
        port, service_port, metrics_port: Where they listen.
        processes: Those that run, by name.
        logs: What they log.
    """

    port: int
    service_port: int
    metrics_port: int
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    logs: dict[str, IO[str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the bridge answers, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def engine_pid(self) -> int:
        """The process of the service's one engine."""
        (pid,) = [
            pid
            for pid in children(self.processes["service"].pid)
            if _ENGINES & set(Path(f"/proc/{pid}/cmdline").read_text().split("\0"))
        ]
        return pid

    def start_service(self, **environment: str) -> None:
        """Starts the service with the demo model, and returns once it listens."""
        options = ("--port", self.service_port, "--metrics-port", self.metrics_port, "--models", "@runstream/demo")
        self._start("service", "service listening", *options, **environment)

    def start_bridge(self, **environment: str) -> None:
        """Starts the bridge, and returns once it listens."""
        options = ("--port", self.port, "--service", f"127.0.0.1:{self.service_port}")
        metrics = ("--service-metrics", f"http://127.0.0.1:{self.metrics_port}/metrics")
        self._start("bridge", "bridge listening", *options, *metrics, **environment)

    def stop(self, name: str) -> str:
        """Ends one of them, and returns once it has ended what it logged."""
        return self._end(name, signal.SIGTERM)

    def kill(self, name: str) -> str:
        """Kills one of them where it stands, as `stop` ends it."""
        return self._end(name, signal.SIGKILL)

    def _end(self, name: str, how: signal.Signals) -> str:
        process = self.processes.pop(name)
        process.send_signal(how)
        process.communicate()
        log = self.logs.pop(name)
        log.seek(0)
        with log:
            return log.read()

    def _start(self, name: str, words: str, *options: object, **environment: str) -> None:
        self.logs[name] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `stop` closes it
        process = self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", name, *map(str, options)],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=self.logs[name],
            text=True,
        )
        assert process.stdout is not None
        read_until(words, process.stdout)


@contextmanager
def separate_stack() -> Iterator[SeparateStack]:
    """None of the two is started yet; those that were are ended."""
    port, service_port, metrics_port = unused_ports(3)
    stack = SeparateStack(port, service_port, metrics_port)
    try:
        yield stack
    finally:
        for name in list(stack.processes):
            stack.stop(name)
