"""Service and bridge as `make run` starts them, in processes of their own."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import unused_ports
from tests.support.processes import read_until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class RunningStack:
    """Service and bridge as `make run` starts them.

    Attributes:
        url: where the bridge answers, without a path.
        service_address: host and port of the service.
        metrics_port: where the service's metrics are, on loopback.
    """

    url: str
    service_address: str
    metrics_port: int


@contextmanager
def run_stack(**environment: str) -> Iterator[RunningStack]:
    """Starts them, with the demo model standing in for every other, and ends them.

    Args:
        environment: variables that set flags of either, such as RUNSTREAM_BRIDGE_TOKEN_FILE.
    """
    port, service_port, metrics_port = unused_ports(3)
    options = ["--port", port, "--service-port", service_port, "--metrics-port", metrics_port]
    command = [sys.executable, "-m", "scripts.up", *map(str, options)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as launcher:
        assert launcher.stdout is not None
        try:
            read_until("Ctrl-C ends it", launcher.stdout)
        except BaseException:
            launcher.kill()  # nobody would end what does not come to listen; its parts end with it
            raise
        # What it says from here on must be read, or it would block.
        reader = threading.Thread(target=launcher.stdout.read)
        reader.start()
        try:
            yield RunningStack(f"http://127.0.0.1:{port}", f"127.0.0.1:{service_port}", metrics_port)
        finally:
            launcher.terminate()
            reader.join()
        assert launcher.wait() == 0
