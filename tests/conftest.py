"""Settings and fixtures that all tests share."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings

from tests.support.ports import unused_ports
from tests.support.running_stack import RunningStack, run_stack

if not torch.cuda.is_available():
    # Triton asks when a kernel is defined, also in the engines' processes.
    os.environ["TRITON_INTERPRET"] = "1"
    # Its threads would wait for each other wherever the tests of another process have the cores.
    torch.set_num_threads(1)

# Else the first service that a test starts would try which ways are quick here, and others would use what it finds.
os.environ["RUNSTREAM_SERVICE_TRIALS"] = "never"
# And on a machine with a GPU they would run there; tests/gpu says so itself.
os.environ["RUNSTREAM_SERVICE_DEVICE"] = "cpu"

# A shell has its background jobs ignore Ctrl-C, and what a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.support.browser",
    "tests.support.page",
    "tests.support.node_scripts",
    "tests.support.whole_chain",
]

settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("stress", deadline=None, max_examples=1_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the batches of the processes that tests start out of the user's own state folder."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def unused_tcp_port_factory() -> Callable[[], int]:
    """Gives ports; pytest-asyncio's own may be taken by a connection before a server listens there."""
    return lambda: unused_ports(1)[0]


@pytest.fixture
def unused_tcp_port(unused_tcp_port_factory: Callable[[], int]) -> int:
    """A port."""
    return unused_tcp_port_factory()


@pytest.fixture(scope="session")
def running_stack() -> Iterator[RunningStack]:
    """Service and bridge in processes of their own, with the demo model standing in for every other."""
    with run_stack() as stack:
        yield stack
