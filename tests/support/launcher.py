"""The launcher as a process, with stand-ins for service and bridge."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


# Begins a command that signals end, whatever the test run inherited: nohup ignores SIGHUP, and a shell's background job
# ignores SIGINT and SIGQUIT. A preexec_fn would fork this process, whose gRPC threads a fork may not survive.
WITH_DEFAULT_SIGNALS = (
    *(sys.executable, "-I", "-S", "-c"),
    "import os, signal, sys\n"
    "for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):\n"
    "    signal.signal(number, signal.SIG_DFL)\n"
    "os.execvp(sys.argv[1], sys.argv[1:])",
)


@contextmanager
def launched(service, bridge, ports, *flags, **environment):
    """Runs the launcher with these programs as its parts; yields it with its output as a pipe of lines."""
    command = [sys.executable, "-m", "tests.support.fake_parts", service, bridge, *map(str, ports), *flags]
    with _running(command, environment) as launcher:
        yield launcher


@contextmanager
def made(service, bridge, ports, folder, *prefix):
    """Runs make, and that the launcher, as the repository's own Makefile does; yields make.

    A prefix is a command that becomes make, such as nohup.
    """
    launcher = f'{sys.executable} -m tests.support.fake_parts "$$SERVICE" "$$BRIDGE" {ports[0]} {ports[1]}'
    (folder / "Makefile").write_text(f"run:\n\t@exec {launcher} --end-with-parent\n")
    command = [*prefix, "make", "-f", str(folder / "Makefile"), "run"]
    with _running(command, {"SERVICE": service, "BRIDGE": bridge}) as make:
        yield make


@contextmanager
def _running(command, environment):
    with subprocess.Popen(
        [*WITH_DEFAULT_SIGNALS, *command],
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
