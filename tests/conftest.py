"""Settings and fixtures that all tests share."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.launch.processes import read_until

ROOT = Path(__file__).parents[1]

pytest_plugins = ["tests.browser", "tests.node_scripts", "tests.whole_chain"]

settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("stress", deadline=None, max_examples=1_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the batches of the processes that tests start out of the user's own state folder."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@dataclass(frozen=True)
class RunningStack:
    """Service and bridge as `make run` starts them.

    Attributes:
        url: where the bridge answers, without a path.
        service_address: host and port of the service.
    """

    url: str
    service_address: str


@pytest.fixture(scope="session")
def running_stack(unused_tcp_port_factory) -> Iterator[RunningStack]:
    """Service and bridge in processes of their own, with the demo model standing in for every other."""
    port, service_port, metrics_port = (unused_tcp_port_factory() for _ in range(3))
    options = ["--port", port, "--service-port", service_port, "--metrics-port", metrics_port]
    command = [sys.executable, "-m", "scripts.up", *map(str, options)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as launcher:
        assert launcher.stdout is not None
        read_until("Ctrl-C ends it", launcher.stdout)
        # What it says from here on must be read, or it would block.
        reader = threading.Thread(target=launcher.stdout.read)
        reader.start()
        yield RunningStack(f"http://127.0.0.1:{port}", f"127.0.0.1:{service_port}")
        launcher.terminate()
        reader.join()
        assert launcher.wait() == 0
