"""Silent connections beyond the descriptors that the bridge has: others are answered, and the log stays short."""

import asyncio
import os
import re
import socket
import sys
from contextlib import AsyncExitStack

import aiohttp

NUM_DESCRIPTORS = 128
NUM_SILENT = 200


async def test_silent_connections_beyond_all_descriptors_keep_nobody_out_and_fill_no_log():
    command = f'ulimit -n {NUM_DESCRIPTORS}; exec "{sys.executable}" -m bridge --port 0 --service 127.0.0.1:9'
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        match = re.search(r":(\d+)$", line.strip())
        assert match is not None
        port = int(match[1])
        async with AsyncExitStack() as stack:
            for _ in range(NUM_SILENT):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            async with aiohttp.ClientSession() as http:
                for _ in range(20):
                    async with http.get(f"http://127.0.0.1:{port}/healthz", headers={"Connection": "close"}) as answer:
                        assert answer.status == 200
    finally:
        process.terminate()
        _, log = await process.communicate()
    lines = log.decode().splitlines()
    assert len([line for line in lines if "/healthz" not in line]) < 10
