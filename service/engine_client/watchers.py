"""Callbacks and tasks of those who want to know of an engine's changes."""

import asyncio
from collections.abc import Callable


class Watchers:
    """Callbacks, and tasks that wait until something holds. To be used in one event loop."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def add_callback(self, callback: Callable[[], None]) -> None:
        """Calls back whenever somebody calls `call` or `notify`."""
        self._callbacks.append(callback)

    def call(self) -> None:
        """Tells the callbacks."""
        for callback in self._callbacks:
            callback()

    def notify(self) -> None:
        """Tells the callbacks, and the tasks for which something holds now."""
        self.call()
        # Not a condition variable: what is buffered is read without a break, and who waits would see only the last.
        for waiting in list(self._waiting):
            predicate, future = waiting
            if future.done() or predicate():
                self._waiting.remove(waiting)
                if not future.done():
                    future.set_result(None)

    async def wait_for(self, predicate: Callable[[], bool]) -> None:
        """Waits until `predicate` has held; it is asked at each `notify`."""
        if not predicate():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((predicate, future))
            await future
