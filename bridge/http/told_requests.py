"""The last requests of all workers: each tells the others of its own, over a socket in the folder that they share."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Collection
from dataclasses import asdict
from typing import Final

from aiohttp import web

from bridge.http.recent_requests import MAX_REQUESTS, RECENT_REQUESTS, RecentRequest, RecentRequests
from bridge.http.worker_group import WORKER_GROUP, WorkerGroup

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 1.0


async def tell_requests(app: web.Application) -> AsyncIterator[None]:
    """Tells the other workers, for as long as the application lives; for `app.cleanup_ctx`."""
    group, requests = app[WORKER_GROUP], app[RECENT_REQUESTS]

    async def tell(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            writer.write(json.dumps([asdict(request) for request in requests.of(None)]).encode())
            await writer.drain()

    path = group.socket_of(group.index)
    path.unlink(missing_ok=True)  # of the one whose place it has taken
    server = await asyncio.start_unix_server(tell, path)
    yield
    server.close()


async def requests_of_all(app: web.Application, accounts: Collection[str] | None) -> list[RecentRequest]:
    """The newest requests of some accounts, newest first, whichever worker has answered them; None means of all.

    A worker that does not tell of its own in time is left out.
    """
    own = app[RECENT_REQUESTS]
    group = app.get(WORKER_GROUP)
    if group is None:
        return own.of(accounts)
    others = [index for index in range(group.size) if index != group.index]
    told = await asyncio.gather(*(_ask(group, index) for index in others))
    together = sorted([*own.of(None), *(request for each in told for request in each)], key=lambda each: each.ended_at)
    return RecentRequests.holding(together[-MAX_REQUESTS:]).of(accounts)


async def _ask(group: WorkerGroup, index: int) -> list[RecentRequest]:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(group.socket_of(index))
            with contextlib.closing(writer):
                return [RecentRequest(**row) for row in json.loads(await reader.read())]
    except (OSError, ValueError):  # of which TimeoutError is one
        logger.warning("worker %d does not tell of its requests", index)
        return []
