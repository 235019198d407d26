"""Callers that read nothing: the answer of each is waited for a while, then the call ends and frees what it holds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from service.errors import DeadlineExceededError
from service.rpc.calls import ServicerContext
from service.rpc.operations import Operations


class SlowReaders:
    """Ends calls of which nothing is read.

    Args:
        timeout_s: How long one message may wait to be taken.
        count: Counts a call that is ended.
    """

    def __init__(self, timeout_s: float, count: Callable[[], None]) -> None:
        self._timeout_s = timeout_s
        self._count = count

    @contextlib.asynccontextmanager
    async def writer_of(self, context: ServicerContext) -> AsyncIterator["Writer"]:
        """The writer of a call's messages.

        Raises:
            DeadlineExceededError: One was not taken in time.
        """
        limit = asyncio.timeout(None)
        try:
            async with limit:
                writer = Writer(context, self._timeout_s, limit)
                try:
                    yield writer
                except Exception:
                    # What was written before an error comes before it: gRPC drops what is on its way when a call fails.
                    with contextlib.suppress(Exception):
                        await writer.flush()
                    raise
                else:
                    await writer.flush()
                finally:
                    writer.end()
        except TimeoutError:
            if not limit.expired():
                raise
            self._count()
            seconds = f"{self._timeout_s:g}"
            raise DeadlineExceededError(
                f"nothing of the answer was read for {seconds} s: read on, or ask for less", timeout_s=seconds
            ) from None


class Writer:
    """Writes messages. It looks now and then how long the current one has waited: a timer for each would cost more.

    Args:
        context: The call.
        timeout_s: How long one message may wait.
        limit: What ends the call.
    """

    def __init__(self, context: ServicerContext, timeout_s: float, limit: asyncio.Timeout) -> None:
        self._context = context
        self._writes = Operations(self._begin, self._note_taken)
        self._timeout_s = timeout_s
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._waits_since: float | None = None
        self._timer = self._loop.call_later(timeout_s, self._look)

    async def write(self, message: Any) -> None:
        """Begins to write a message, once the client has taken enough of those before it."""
        await self._writes.start(message)

    async def flush(self) -> None:
        """Waits until the client has taken enough of the last message."""
        await self._writes.end()

    def end(self) -> None:
        """Looks no more."""
        self._timer.cancel()

    def _begin(self, message: Any) -> Coroutine[Any, Any, None]:
        self._waits_since = self._loop.time()
        return self._context.write(message)

    def _note_taken(self) -> None:
        self._waits_since = None

    def _look(self) -> None:
        now = self._loop.time()
        waited_s = now - (self._waits_since if self._waits_since is not None else now)
        if waited_s >= self._timeout_s:
            self._limit.reschedule(now)
        else:
            self._timer = self._loop.call_later(self._timeout_s - waited_s, self._look)
