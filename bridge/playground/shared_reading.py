"""Work that is done once for all who ask for it at the same time, and not at all while nobody asks."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedReading(Generic[T]):
    """Reads something for whoever asks. Those who ask during a reading get what it brings.

    Args:
        read: Reads it, within a bounded time. What goes wrong is a part of its result: it raises nothing.
    """

    def __init__(self, read: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._read = read
        self._task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The result of the reading in progress, or of a new one. Cancelling it ends it for nobody else."""
        if self._task is None:
            self._task = asyncio.create_task(self._read())
            self._task.add_done_callback(self._forget)
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        """Ends the reading in progress."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _forget(self, task: asyncio.Task[T]) -> None:
        self._task = None
