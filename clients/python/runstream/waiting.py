"""Waiting for gRPC in a way that can be cancelled without a loss."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


async def apart(awaitable: Awaitable[T]) -> T:
    """Waits in a task of its own, which goes on if this one is cancelled.

    gRPC frees what it has allocated for a read when the wait for it ends, and never if that wait is cancelled. So who
    is cancelled here has to cancel the call, which ends the wait.
    """
    waiting = asyncio.ensure_future(_awaited(awaitable))
    try:
        return await asyncio.shield(waiting)
    finally:
        waiting.add_done_callback(note_error)


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


def note_error(waiting: "asyncio.Future[Any]") -> None:
    """Takes note of how a wait ended, of which nobody else may hear."""
    if not waiting.cancelled():
        waiting.exception()
