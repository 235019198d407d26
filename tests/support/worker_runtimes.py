"""Workers on a machine of one's own: in Miniflare, in workerd alone, in `wrangler dev`."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.real_clients import NODE
from tests.support.processes import read_until


@contextmanager
def running(*command: str | Path, **options: object) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended after the test."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.terminate()


def workerd_of(packages: Path) -> Path:
    """The executable of workerd in a node_modules."""
    (workerd,) = (packages / "@cloudflare").glob("workerd-*/bin/workerd")
    return workerd


@contextmanager
def miniflare(folder: Path, script: str, url: str, token: str = "") -> Iterator[str]:
    """Runs a script that serves a Worker by Miniflare; gives where the Worker answers."""
    environment = {**os.environ, "PORT": "0", "RUNSTREAM_URL": url, "RUNSTREAM_TOKEN": token}
    with running(NODE, script, cwd=folder, env=environment) as process:
        assert process.stdout is not None
        yield read_until("listening on", process.stdout).split()[-1]


@contextmanager
def workerd(folder: Path, packages: Path, *flags: str) -> Iterator[str]:
    """Runs workerd with the config.capnp of a folder; gives where its socket `http` answers."""
    options = ["--control-fd=1", "--socket-addr=http=127.0.0.1:0", *flags]
    with running(workerd_of(packages), "serve", *options, "config.capnp", cwd=folder) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
