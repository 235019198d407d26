"""The bridge as a process."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager


@asynccontextmanager
async def bridge_process(*flags, **environment):
    """Runs it, and ends it if the test does not."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bridge", *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
