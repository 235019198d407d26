"""The store's own thread, and what callers are told when the disk fails them."""

import asyncio
import functools
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from service.batches.store import BatchStore
from service.batches.troubles import DiskTroubles
from service.errors import ModelNotReadyError

_T = TypeVar("_T")


class StoreThread:
    """Uses a store in a thread of its own, so that the event loop never waits for the disk.

    Args:
        store: The store.
    """

    def __init__(self, store: BatchStore) -> None:
        self._store = store
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")

    @property
    def is_erasable(self) -> bool:
        """Whether something of what was answered or deleted is left."""
        return self._store.is_erasable

    @property
    def num_waiting(self) -> int:
        """How many items have no result."""
        return self._store.num_waiting

    async def __call__(self, use: Callable[[BatchStore], _T], then: Callable[[_T], None] | None = None) -> _T:
        """What `use` returns of the store.

        Args:
            use: What is to be done.
            then: What follows from it. It is called with what `use` has returned, in the event loop, whether or not
                who called this was cancelled meanwhile: a change can't be taken back, and half of one is none.
        """
        future = self._executor.submit(use, self._store)
        if then is not None:
            future.add_done_callback(functools.partial(_follow, asyncio.get_running_loop(), then))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Lets what has begun end, and closes the store."""
        self._executor.shutdown(cancel_futures=True)
        self._store.close()


class CallersStore:
    """The store as callers use it, who are not told of the disk's errors but that they may try again.

    Args:
        thread: The store.
        troubles: Are told instead.
    """

    def __init__(self, thread: StoreThread, troubles: DiskTroubles) -> None:
        self._thread = thread
        self._troubles = troubles

    async def __call__(self, use: Callable[[BatchStore], _T], then: Callable[[_T], None] | None = None) -> _T:
        """What `use` returns of the store; see `StoreThread`.

        Raises:
            ModelNotReadyError: The file can't be read or written now.
        """
        try:
            return await self._thread(use, then)
        except sqlite3.Error as error:
            self._troubles.tell(error)
            raise ModelNotReadyError("The service can't keep batches now: its disk fails. Try again later.") from error


def _follow(loop: asyncio.AbstractEventLoop, then: Callable[[_T], None], future: Future[_T]) -> None:
    if not future.cancelled() and future.exception() is None:
        loop.call_soon_threadsafe(then, future.result())
