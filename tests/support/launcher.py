"""The launcher as a process, with stand-ins for service and bridge."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def launched(service, bridge, ports, *flags, **environment):
    """Runs the launcher with these programs as its parts; yields it with its output as a pipe of lines."""
    command = [sys.executable, "-m", "tests.support.fake_parts", service, bridge, *map(str, ports), *flags]
    with _running(command, environment) as launcher:
        yield launcher


@contextmanager
def made(service, bridge, ports, folder):
    """Runs make, and that the launcher, as the repository's own Makefile does; yields make."""
    launcher = f'{sys.executable} -m tests.support.fake_parts "$$SERVICE" "$$BRIDGE" {ports[0]} {ports[1]}'
    (folder / "Makefile").write_text(f"run:\n\t@exec {launcher} --end-with-parent\n")
    command = ["make", "-f", str(folder / "Makefile"), "run"]
    with _running(command, {"SERVICE": service, "BRIDGE": bridge}) as make:
        yield make


@contextmanager
def _running(command, environment):
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            yield process
        finally:
            process.kill()
