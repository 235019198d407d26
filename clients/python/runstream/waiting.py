"""Waiting for gRPC in a way that can fail or be cancelled without a loss.

grpcio frees what it has allocated for an operation behind its own `await` of a future, and never if an exception leaves
that `await`. Tried: 1.76.0, 1.80.0, 1.85.1, 1.85.3.
"""

import asyncio
import types
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

from grpc import aio

T = TypeVar("T")


async def apart(awaitable: Awaitable[T]) -> T:
    """Waits in a task of its own, which goes on if this one is cancelled.

    Who is cancelled here has to cancel the call, which ends that wait.
    """
    waiting = asyncio.ensure_future(_awaited(awaitable))
    try:
        return await asyncio.shield(waiting)
    finally:
        waiting.add_done_callback(note_error)


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await sparing_failures(awaitable)


@types.coroutine
def sparing_failures(awaitable: Awaitable[T]) -> Generator[Any, None, T]:
    """Waits for reads of gRPC's. One that fails ends as if nothing more came, which is what gRPC makes of it too."""
    steps = awaitable.__await__()
    try:
        waited = next(steps)
        while True:
            try:
                yield waited
            except BaseException as error:
                waited = next(steps) if take_failure(waited) else steps.throw(error)
            else:
                waited = next(steps)
    except StopIteration as end:
        result: T = end.value
        return result


def take_failure(waited: "asyncio.Future[Any] | None") -> Exception | None:
    """Takes the failure of an operation out of its future, which then has a result; None if it is no failure."""
    if waited is None or isinstance(waited, asyncio.Task) or not waited.done() or waited.cancelled():
        return None
    failure = waited.exception()
    if not isinstance(failure, aio.InternalError):
        return None
    asyncio.Future.__init__(waited, loop=waited.get_loop())
    waited.set_result(None)
    return failure


def note_error(waiting: "asyncio.Future[Any]") -> None:
    """Takes note of how a wait ended, of which nobody else may hear."""
    if not waiting.cancelled():
        waiting.exception()
