"""The units of systemd: that it takes them, that their options are there, and how far what runs in them is shut in."""

import re
import shlex
import shutil
import subprocess
import sys

import click
import pytest

from bridge.__main__ import main as bridge_main
from bridge.config import Config
from bridge.server import LAST_WORDS_S
from service.__main__ import main as service_main
from tests.support.repository import ROOT

UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
FILES = sorted((ROOT / "deploy/systemd").rglob("*.*"))
COMMANDS: dict[str, click.Command] = {"service": service_main, "bridge": bridge_main}
MAX_EXPOSURE = 2.0  # of 10, as systemd counts it

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here: install systemd"
)
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)


def settings(path):
    """The values of each setting of a unit, in order, with continued lines joined."""
    text = path.read_text().replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE):
        found.setdefault(name, []).append(value.strip())
    return found


@pytest.fixture
def installed(tmp_path):
    """The units and their drop-ins in a folder, with the Python of the tests in place of the installed one."""
    for path in FILES:
        if path.is_file():
            place = tmp_path / path.relative_to(ROOT / "deploy/systemd")
            place.parent.mkdir(exist_ok=True)
            place.write_text(path.read_text().replace("/opt/runstream/bin/python", sys.executable))
    return tmp_path


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True)


def test_there_is_a_unit_for_each_server():
    assert [unit.name for unit in UNITS] == ["runstream-bridge.service", "runstream-service.service"]


@needs_systemd
@each_unit
def test_systemd_takes_it_with_its_drop_in(installed, unit):
    done = analyze("verify", installed / unit.name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
@each_unit
def test_what_runs_in_it_is_shut_in(installed, unit):
    done = analyze("security", "--offline=true", f"--threshold={int(MAX_EXPOSURE * 10)}", installed / unit.name)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [path for path in FILES if path.is_file()], ids=lambda path: path.name)
def test_its_options_are_the_servers(path):
    commands = [value for value in settings(path)["ExecStart"] if value]
    assert commands
    for command in commands:
        python, flag, module, *arguments = shlex.split(command)
        assert (python, flag) == ("/opt/runstream/bin/python", "-m")
        COMMANDS[module].make_context(module, arguments)


@each_unit
def test_the_time_to_stop_is_enough_to_drain(unit):
    (seconds,) = settings(unit)["TimeoutStopSec"]
    defaults = {parameter.name: parameter.default for parameter in service_main.params}
    of_bridge = Config.shutdown_grace_s + LAST_WORDS_S
    longest = of_bridge if "bridge" in unit.name else defaults["drain_timeout_s"]
    assert isinstance(longest, float)
    assert longest + 5 <= float(seconds)
    assert settings(unit)["KillSignal"] == ["SIGTERM"]
    assert settings(unit)["KillMode"] == ["mixed"]
    assert settings(unit)["Restart"] == ["on-failure"]


@each_unit
def test_it_has_no_rights_and_no_user_of_its_own(unit):
    for name in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "ProtectHome"):
        assert settings(unit)[name] == ["yes"]
    assert settings(unit)["ProtectSystem"] == ["strict"]
    assert settings(unit)["CapabilityBoundingSet"] == [""]


def test_the_bridges_secret_is_a_credential():
    given = settings(ROOT / "deploy/systemd/runstream-bridge.service.d/network.conf")
    assert given["LoadCredential"] == ["service-token:/etc/runstream/service-token"]
    assert given["Environment"] == ["RUNSTREAM_BRIDGE_SERVICE_TOKEN_FILE=%d/service-token"]
