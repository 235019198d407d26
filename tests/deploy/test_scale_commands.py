"""The commands of docs/scale.md that start everything on one machine."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.support.missing_tools import skip_or_fail
from tests.support.ports import unused_ports
from tests.support.replicas import ENGINE
from tests.support.repository import ROOT
from tests.support.running_envoy import FOLDER, envoy_command
from tests.support.started_commands import started

READY = {"service": "service listening", "bridge": "bridge listening", "envoy": "starting workers"}
PORT = re.compile(r"\b(?:500\d\d|946\d|808\d|8000|990\d)\b")


@pytest.fixture
def commands(tmp_path):
    """The document's commands, with ports that are free and the commands of the tests."""
    block = re.search(r"^    python -m service --port 50051.*?^    curl .*?$", text(), flags=re.MULTILINE | re.DOTALL)
    assert block is not None
    files = {path: path.read_text() for path in FOLDER.glob("*s.yaml")}
    named = sorted(set(PORT.findall(block[0] + "".join(files.values()))))
    ports = dict(zip(named, map(str, unused_ports(len(named))), strict=True))
    for path, content in files.items():
        (tmp_path / path.name).write_text(PORT.sub(lambda port: ports[port[0]], content))
    lines = PORT.sub(lambda port: ports[port[0]], block[0]).replace("deploy/envoy", str(tmp_path)).splitlines()
    return [shlex.split(line.removesuffix("&")) for line in lines]


def text():
    return (ROOT / "docs/scale.md").read_text()


def server(command):
    """Runs a command, ready when it says so."""
    name = command[2] if command[0] == "python" else command[0]
    program = {"python": sys.executable, "envoy": str(envoy_command())}[command[0]]
    environment = {**os.environ, "RUNSTREAM_SERVICE_ENGINE_COMMAND": ENGINE}
    return started([program, *command[1:]], READY[name], ROOT, environment)


def test_they_start_services_bridges_and_both_proxies(commands):
    if shutil.which("curl") is None:
        skip_or_fail("curl is not installed: the commands of docs/scale.md are NOT tested")
    *servers, client = commands
    assert [command[0] for command in commands] == ["python"] * 3 + ["envoy"] + ["python"] * 2 + ["envoy", "curl"]
    with contextlib.ExitStack() as stack:
        for command in servers:
            stack.enter_context(server(command))
        done = subprocess.run(client, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("data: {"), done
    assert done.stdout.endswith("data: [DONE]\n\n")
