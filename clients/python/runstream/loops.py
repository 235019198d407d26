"""Iterators of which each is for one loop, and cancels what it reads once the loop is left."""

from collections.abc import AsyncIterator
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Cancellable(Protocol[T_co]):
    """What comes part by part, and can be cancelled."""

    async def __anext__(self) -> T_co:
        """The next part."""

    def cancel(self) -> None:
        """Ends it, if it has not ended."""


class Loop(Generic[T]):
    """An iterator for one loop. Unlike a generator, it can cancel at once when the loop is left.

    Args:
        parts: What is read. The loop may be all that has it.
    """

    def __init__(self, parts: Cancellable[T]) -> None:
        self._parts = parts

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        return await self._parts.__anext__()

    def __del__(self) -> None:
        self._parts.cancel()
