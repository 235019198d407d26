"""A benchmark that is ended takes its servers with it."""

import os
import signal
import subprocess
import sys

import pytest

WAITS = """
import asyncio
from bench.serving.server import running_server

async def wait():
    await asyncio.Event().wait()

with running_server("@runstream/demo", None, 1) as server:
    print(*server.pids.values(), flush=True)
    asyncio.run(wait())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_it(number: signal.Signals):
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        process.send_signal(number)
    assert len(pids) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
