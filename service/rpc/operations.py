"""Operations of gRPC that are ended in a way that frees them.

grpcio frees an operation behind its own `await` of a future, where neither a failure nor a cancellation comes by: 240
bytes stay for each message that was on its way to a client that left (tried: 1.76.0, 1.80.0, 1.85.1, 1.85.3). So no
task waits there: callbacks carry the operation on, and a failure is taken out of the future before gRPC sees it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from runstream.waiting import take_failure


class Operations:
    """Operations of one call that follow each other, such as its writes.

    Args:
        make: Makes the coroutine of one, such as a context's `write`.
        on_end: Called when one has ended well.
    """

    def __init__(self, make: Callable[[Any], Coroutine[Any, Any, None]], on_end: Callable[[], None]) -> None:
        self._make = make
        self._on_end = on_end
        self._running: Coroutine[Any, Any, None] | None = None
        self._error: Exception | None = None
        self._ended: asyncio.Future[None] | None = None

    async def start(self, argument: Any) -> None:
        """Starts one when the one before has ended. Raises what either failed with."""
        if self._running or self._error:
            await self.end()
        self._running = self._make(argument)
        self._go_on()
        if self._error:
            raise self._error

    async def end(self) -> None:
        """Waits for the end of the one that runs. Raises what it failed with."""
        if self._running:
            self._ended = asyncio.get_running_loop().create_future()
            await self._ended
        if self._error:
            raise self._error

    def _go_on(self, waited: "asyncio.Future[Any] | None" = None) -> None:
        """Runs the coroutine up to its next future. A cancelled task is not there, so nothing is thrown into it."""
        assert self._running
        failure = take_failure(waited)
        try:
            future = self._running.send(None)
        except StopIteration:
            self._note_end(failure)
        except Exception as error:
            self._note_end(error)
        else:
            future.add_done_callback(self._go_on)

    def _note_end(self, failure: Exception | None) -> None:
        self._running = None
        if failure is None:
            self._on_end()
        else:
            self._error = failure
        if self._ended and not self._ended.done():
            self._ended.set_result(None)
