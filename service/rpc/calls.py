"""The calls being answered: each with a deadline, all of them countable, and ended together when the service stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc

from service.errors import DeadlineExceededError, ModelNotReadyError

# As every handler gets it.
ServicerContext = grpc.aio.ServicerContext[Any, Any]

# What is left of a call after its end is to write the error; a connection that takes none must not stop the service.
_END_TIMEOUT_S = 2.0


class Calls:
    """Admits calls until it drains.

    Args:
        default_timeout_s: The deadline of a call whose client sets none.
    """

    def __init__(self, default_timeout_s: float) -> None:
        self._default_timeout_s = default_timeout_s
        self._deadlines: set[asyncio.Timeout] = set()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_draining = False
        self._are_ended = False

    def deadline_s(self, context: ServicerContext) -> float:
        """The end of the call's time, on the event loop's clock."""
        time_remaining = context.time_remaining()
        time_left_s = self._default_timeout_s if time_remaining is None else time_remaining
        return asyncio.get_running_loop().time() + time_left_s

    @contextlib.asynccontextmanager
    async def admit(self, context: ServicerContext) -> AsyncIterator[None]:
        """Holds a call while it is answered. A deadline of the client's own is gRPC's to keep: it cancels the call.

        Raises:
            ModelNotReadyError: The service is draining, or ended the call after it.
            DeadlineExceededError: The default deadline passed.
        """
        if self._is_draining:
            raise ModelNotReadyError("the service is draining: it takes no new calls")
        has_deadline = context.time_remaining() is not None
        deadline = asyncio.timeout(None if has_deadline else self._default_timeout_s)
        try:
            async with deadline:
                self._add(deadline)
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            raise self._end_of_call() from None
        finally:
            self._remove(deadline)

    async def drain(self, timeout_s: float) -> None:
        """Takes no new calls, lets the running ones go on for a while, then ends those that are left."""
        self._is_draining = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_idle.wait(), timeout_s)
        self._end_all()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_idle.wait(), _END_TIMEOUT_S)

    def _end_all(self) -> None:
        self._are_ended = True
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            if not deadline.expired():
                deadline.reschedule(now)

    def _end_of_call(self) -> ModelNotReadyError | DeadlineExceededError:
        if self._are_ended:
            return ModelNotReadyError("the service stopped before the completion ended")
        return DeadlineExceededError(
            f"the completion took longer than {self._default_timeout_s:g} s: set a deadline, or a smaller max_tokens",
            timeout_s=f"{self._default_timeout_s:g}",
        )

    def _add(self, deadline: asyncio.Timeout) -> None:
        self._deadlines.add(deadline)
        self._is_idle.clear()

    def _remove(self, deadline: asyncio.Timeout) -> None:
        self._deadlines.discard(deadline)
        if not self._deadlines:
            self._is_idle.set()
