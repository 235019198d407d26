"""`wrangler dev` as a process: the newest wrangler of npm, offline, without an account and without telemetry."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.real_clients import NODE, NODE_FOLDER
from tests.support.processes import handles_of_descendants, read_until, wait_for_the_end_of

OF_THE_TESTS = NODE_FOLDER / "node_modules"
BINDING = {"name": "AI", "type": "runstream", "dev": {"plugin": {"package": "runstream-worker", "name": "runstream"}}}

QUIET = {
    "CI": "1",
    "CLOUDFLARE_CF_FETCH_ENABLED": "false",
    "WRANGLER_HIDE_BANNER": "true",
    "WRANGLER_SEND_ERROR_REPORTS": "false",
    "WRANGLER_SEND_METRICS": "false",
}
"""Variables without which it would ask the network for something, or a person."""


def write_config(folder: Path, main: Path, **fields: Any) -> None:
    """Writes a wrangler.jsonc for a Worker whose env.AI a bridge answers."""
    config = {
        "name": "checks",
        "main": str(main),
        "compatibility_date": "2026-01-01",
        "compatibility_flags": ["nodejs_compat"],
        "unsafe": {"bindings": [BINDING]},
        "vars": {"OTHER": "no concern of the plugin's"},
        **fields,
    }
    (folder / "wrangler.jsonc").write_text(json.dumps(config))


@contextmanager
def wrangler_dev(
    folder: Path, url: str, token: str = "", *options: str, packages: Path = OF_THE_TESTS
) -> Iterator[str]:
    """Runs `wrangler dev` in a folder that has a wrangler.jsonc, and ends it with all that it has started.

    Args:
        folder: Where it runs, and where it keeps what it remembers of its user.
        url: Where the bridge listens.
        token: What the bridge asks for.
        options: Its command line's.
        packages: The node_modules that has it.

    Returns:
        Where the Worker answers.
    """
    command = [str(NODE), "--no-warnings", str(packages / "wrangler/bin/wrangler.js"), "dev", "--ip", "127.0.0.1"]
    command += ["--port", "0", "--inspector-port", "0", *options]
    environment = {**os.environ, **QUIET, "HOME": str(folder), "RUNSTREAM_URL": url, "RUNSTREAM_TOKEN": token}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as wrangler:
        assert wrangler.stdout is not None
        address = read_until("Ready on", wrangler.stdout).split()[-1]
        # What it says from here on must be read, or it would block.
        reader = threading.Thread(target=wrangler.stdout.read)
        reader.start()
        try:
            yield address
        finally:
            started = handles_of_descendants(wrangler.pid)
            wrangler.send_signal(signal.SIGTERM)
            wait_for_the_end_of(started)
            reader.join()
