"""A worker's process: it is told what to do on standard input, and ends when that does."""

import signal

if __name__ == "__main__":  # what ends it comes from the process that started it
    signal.signal(signal.SIGINT, signal.SIG_IGN)

import asyncio
import json
import os
import pickle
import shutil
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Final

from prometheus_client import values

from accounts.token_file import TokenFile
from bridge.app import build_app
from bridge.http.access_log import configure_logging
from bridge.server import LAST_WORDS_S, serve_on
from bridge.workers.child import Assignment

# How long it may take, beyond the grace, to end what was begun.
SLACK_S: Final = 5.0


async def work(assignment: Assignment, report: int) -> None:
    """Serves, and tells on a descriptor once it does."""
    config, group = assignment.config, assignment.group
    tokens = TokenFile(config.token_file) if config.token_file else None
    app = build_app(config, tokens, group)
    group.tell_pid(os.getpid())
    sockets = [socket.socket(fileno=each) for each in assignment.descriptors]
    await serve_on(app, sockets, lambda: tell(report, ""))


def tell(report: int, error: str) -> None:
    """Tells that it listens, or why not."""
    os.write(report, json.dumps({"error": error}).encode() + b"\n")
    os.close(report)


def end_with_input(grace_s: float, folder: Path) -> None:
    """Ends this process once nobody holds its standard input any more: kindly, and after the grace by force."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    shutil.rmtree(folder, ignore_errors=True)  # nobody else is left to do it
    time.sleep(grace_s)
    os._exit(1)


def main() -> None:
    """Does what the first message says."""
    report = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not be taken for the report
    with os.fdopen(os.dup(0), "rb") as source:
        assignment = pickle.load(source)  # noqa: S301 - written by our own process
    if not isinstance(assignment, Assignment):
        sys.exit("a worker is started by the bridge, which tells it what to do")
    config, group = assignment.config, assignment.group
    configure_logging(config.log_level, config.log_format)
    # By their indexes, so that whoever takes the place of one that has died goes on where that has counted.
    values.ValueClass = values.MultiProcessValue(lambda: group.index)  # type: ignore[no-untyped-call]
    grace_s = config.shutdown_grace_s + LAST_WORDS_S + SLACK_S
    threading.Thread(target=end_with_input, args=(grace_s, group.folder), daemon=True).start()
    try:
        asyncio.run(work(assignment, report))
    except (OSError, ValueError) as error:
        tell(report, str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
