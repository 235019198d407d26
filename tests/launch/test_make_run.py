"""`make run` as a user has it: the real service, bridge and engine, started and ended."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.launcher import WITH_DEFAULT_SIGNALS
from tests.support.processes import handles_of_descendants, needs_pidfd, read_until, wait_for_the_end_of
from tests.support.scripted_engine import scripted_engine_variable

ROOT = Path(__file__).parents[2]


@needs_pidfd
@pytest.mark.parametrize(
    ("send", "number", "engine"),
    [
        (os.killpg, signal.SIGINT, {}),
        (os.killpg, signal.SIGKILL, scripted_engine_variable()),
        (os.kill, signal.SIGINT, scripted_engine_variable()),
    ],
    ids=["Ctrl-C", "SIGKILL to all", "SIGINT to make"],
)
def test_nothing_is_left_of_make_run(unused_tcp_port_factory, send, number, engine):
    port, service_port, metrics_port = (unused_tcp_port_factory() for _ in range(3))
    command = ["make", "run", f"PORT={port}", f"ARGS=--service-port {service_port} --metrics-port {metrics_port}"]
    with subprocess.Popen(
        [*WITH_DEFAULT_SIGNALS, *command],
        cwd=ROOT,
        env={**os.environ, **engine},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as make:
        assert "Ready in" in read_until("Ctrl-C ends it", make.stdout)
        handles = handles_of_descendants(make.pid)
        send(make.pid, number)
        make.communicate()
        wait_for_the_end_of(handles)
    assert len(handles) >= 6
