"""The end of the bridge: running answers get some time, then an error instead of their rest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bridge.errors import AiError


class Drain:
    """Knows the running answers, and ends them.

    Args:
        grace_s: How many seconds they get to end by themselves.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._running: set[asyncio.Timeout] = set()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_over = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Lets its body be ended by `finish`, with an AiError."""
        limit = asyncio.timeout(0 if self._is_over else None)
        try:
            async with limit:
                self._running.add(limit)
                self._is_idle.clear()
                yield
        except TimeoutError:
            if limit.expired():
                raise AiError("MODEL_NOT_READY", "The server is shutting down.") from None
            raise
        finally:
            self._running.discard(limit)
            if not self._running:
                self._is_idle.set()

    async def finish(self, app: web.Application) -> None:
        """Waits until nothing runs, at most for the grace, and ends what still does. A handler of app.on_shutdown."""
        try:
            async with asyncio.timeout(self._grace_s):
                await self._is_idle.wait()
        except TimeoutError:
            now = asyncio.get_running_loop().time()
            for limit in self._running:
                limit.reschedule(now)
        # A request whose body was still on its way begins only now.
        self._is_over = True


DRAIN = web.AppKey("drain", Drain)
