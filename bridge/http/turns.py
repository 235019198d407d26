"""Large requests take turns, so that small ones are answered beside any number of them.

Each costs bridge and service tens of milliseconds. Several at once would leave the engine little of a small machine.
"""

import asyncio
from typing import Final

from aiohttp import web

# Held by the large request whose turn it is.
LARGE = web.AppKey("large", asyncio.Lock)

LARGE_BYTES: Final = 128 * 1024

# About four times what bridge and service need to accept or refuse a request. What is generated afterwards keeps nobody
# waiting.
MAX_TURN_S_PER_BYTE: Final = 0.05 / 2**20


class Turn:
    """One request's turn.

    Args:
        lock: What all requests share. The one whose turn it is holds it.
    """

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._is_held = False

    async def wait(self, num_bytes: int) -> None:
        """Waits until it is the request's turn, if the request is large.

        Args:
            num_bytes: The size of its body. The turn ends by itself after a time in proportion to it.
        """
        if num_bytes > LARGE_BYTES and not self._is_held:
            await self._lock.acquire()
            self._is_held = True
            asyncio.get_running_loop().call_later(num_bytes * MAX_TURN_S_PER_BYTE, self.end)

    def end(self) -> None:
        """Ends the turn, if it has begun and not ended."""
        if self._is_held:
            self._is_held = False
            self._lock.release()


TURN = web.RequestKey("turn", Turn)
