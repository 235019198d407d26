"""Cancels a coroutine at every place where it can be cancelled, one after the other."""

import asyncio
import itertools
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any


@types.coroutine
def _step(work: Coroutine[Any, Any, object], at: int, is_late: bool) -> Generator[Any, Any, int]:
    """Runs `work` step by step; returns how often it was suspended."""
    steps = work.__await__()
    error: BaseException | None = None
    for number in itertools.count(1):
        try:
            waited_for = steps.throw(error) if error else next(steps)
        except StopIteration:
            return number - 1
        if number == at and not is_late and (task := asyncio.current_task()):
            task.cancel()  # what it waits for is cancelled with it
        try:
            yield waited_for
            error = asyncio.CancelledError() if number == at and is_late else None
        except BaseException as thrown:
            error = thrown
    raise AssertionError


async def each_cancel(begin: Callable[[], Coroutine[Any, Any, object]], max_cancels: int = 300) -> AsyncIterator[str]:
    """Begins work again and again, and cancels it at its first, second, ... suspension, until it ends before that.

    At each it is cancelled twice: when it begins to wait, and when what it has waited for is there already, which it
    then never learns.

    Args:
        begin: Makes the work.
        max_cancels: After how many it is given up, as work that never ends.

    Yields:
        Where it was cancelled. It has ended then, and something is to be said of what it leaves.
    """
    for at in range(1, max_cancels):
        for is_late in (False, True):
            task = asyncio.create_task(_run(begin, at, is_late))
            await asyncio.wait([task])
            if not task.cancelled():
                assert task.result() < at, "it has swallowed the cancel"
                return
            yield f"suspension {at}, {'late' if is_late else 'early'}"
    raise AssertionError("it has more suspensions than it was expected to have")


async def _run(begin: Callable[[], Coroutine[Any, Any, object]], at: int, is_late: bool) -> int:
    return await _step(begin(), at, is_late)
