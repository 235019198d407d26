"""The process that starts workers: it tells when they listen, starts those again that die, and ends them."""

import asyncio
import contextlib
import functools
import logging
import signal
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Final

from prometheus_client.multiprocess import mark_process_dead

from bridge.config import Config
from bridge.http.unix_socket import ListenError
from bridge.server import LAST_WORDS_S
from bridge.workers.child import Child, WorkerError, group_of
from bridge.workers.places import Places

logger = logging.getLogger(__name__)

# Beyond this a path has no room for a socket's name behind it.
MAX_FOLDER: Final = 80

# How long a worker may take beyond the grace: to close what is open, and the interpreter.
SLACK_S: Final = 3.0

MINUTE_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.1
MAX_PAUSE_S: Final = 5.0


class Deaths:
    """The deaths of a worker, and the pause before it is started again: none after the first."""

    def __init__(self) -> None:
        self._at_s: deque[float] = deque(maxlen=16)

    def pause_s(self, now_s: float) -> float:
        """Counts one more; the pause grows with their number within a minute."""
        self._at_s.append(now_s)
        num_recent = sum(now_s - each < MINUTE_S for each in self._at_s)
        return min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** (num_recent - 2)) if num_recent > 1 else 0.0


async def supervise(config: Config) -> None:
    """Serves with several workers until SIGTERM or SIGINT; a second one ends them without grace.

    Raises:
        ListenError: The address can't be listened on.
        WorkerError: A worker can't begin.
    """
    told_to_end = asyncio.Event()
    with contextlib.ExitStack() as stack:
        places = await Places.take(config, stack)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="runstream-", ignore_cleanup_errors=True)))
        if len(str(folder)) > MAX_FOLDER:
            raise ListenError(f"{folder} is too long a path for sockets: set TMPDIR to a shorter one")
        children = [Child(config, group_of(config, index, folder), places) for index in range(config.workers)]
        _on_signals(told_to_end, children)
        serving = asyncio.create_task(_serve(children, places, folder))
        ending = asyncio.create_task(told_to_end.wait())
        try:
            await asyncio.wait([serving, ending], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            for task in (serving, ending):
                task.cancel()
            await asyncio.gather(serving, ending, return_exceptions=True)
            grace_s = config.shutdown_grace_s + LAST_WORDS_S + SLACK_S
            await asyncio.gather(*(child.stop(grace_s) for child in children))


async def _serve(children: list[Child], places: Places, folder: Path) -> None:
    """Starts the workers, says where they listen, and keeps them running until cancelled."""
    async with asyncio.TaskGroup() as starting:
        starts = [starting.create_task(_failure_of(child)) for child in children]
    if failure := next((each.result() for each in starts if each.result()), ""):
        raise WorkerError(failure)
    print(f"bridge listening on {places.url}", flush=True)
    await asyncio.gather(*(_keep(index, child, folder) for index, child in enumerate(children)))


async def _failure_of(child: Child) -> str:
    """Starts a worker; tells why it can't begin, if it can't."""
    try:
        await child.start()
    except WorkerError as error:
        return str(error)
    return ""


async def _keep(index: int, child: Child, folder: Path) -> None:
    """Starts a worker again whenever it has ended."""
    deaths = Deaths()
    while True:
        pid, status = child.pid, await child.end()
        mark_process_dead(index, str(folder))  # type: ignore[no-untyped-call]
        pause_s = deaths.pause_s(time.monotonic())
        logger.error("worker %d (%d) ended with status %d: started again in %.1f s", index, pid, status, pause_s)
        await asyncio.sleep(pause_s)
        if failure := await _failure_of(child):
            logger.error("worker %d can't begin: %s", index, failure)
        else:
            logger.warning("worker %d listens again, as process %d", index, child.pid)


def _on_signals(told_to_end: asyncio.Event, children: list[Child]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, functools.partial(_take_signal, told_to_end, children))


def _take_signal(told_to_end: asyncio.Event, children: list[Child]) -> None:
    if told_to_end.is_set():
        for child in children:
            child.signal(signal.SIGKILL)
    told_to_end.set()
