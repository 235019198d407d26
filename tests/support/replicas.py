"""Three services as processes, with engines that compute nothing: each may be killed, drained and stopped."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from tests.support.ports import unused_ports
from tests.support.processes import read_until
from tests.support.repository import ROOT

TOKENS_PER_S = 150
"""What each engine generates, of all its sequences together."""

ENGINE = f"{sys.executable} -m bench.serving.scripted_engine --tokens-per-s {TOKENS_PER_S}"


@dataclass
class Replica:
    """One of the services.

    Attributes:
        port: Where it listens on loopback, in each of its lives.
        process: The one that runs, or ran last.
    """

    port: int
    process: subprocess.Popen | None = None
    _log: IO[str] = field(default_factory=lambda: tempfile.TemporaryFile("w+"))  # noqa: SIM115 - `close` closes it

    @property
    def target(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it if it does not run, and returns once it listens."""
        if self.process is not None:
            if self.process.poll() is None:
                return
            self.wait()
        options = ("--port", self.port, "--metrics-port", 0, "--models", "@runstream/demo", "--batch-db", "none")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", *map(str, options), "--engine-command", ENGINE],
            cwd=ROOT,
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.process.stdout is not None
        read_until("service listening", self.process.stdout)

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        assert self.process is not None
        assert self.process.stdout is not None
        status = self.process.wait()
        self.process.stdout.close()
        return status

    def close(self) -> None:
        """Ends it."""
        if self.process is not None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            self.wait()
        self._log.close()


def start_all(replicas: list[Replica]) -> None:
    """Starts those that do not run, side by side."""
    with ThreadPoolExecutor() as threads:
        list(threads.map(Replica.start, replicas))


@contextmanager
def run_replicas() -> Iterator[list[Replica]]:
    """Three services, started; ended afterwards."""
    replicas = [Replica(port) for port in unused_ports(3)]
    try:
        start_all(replicas)
        yield replicas
    finally:
        for replica in replicas:
            replica.close()
