"""How long a client may be used: until it is closed, and with asyncio in one event loop alone."""

import asyncio

from runstream.errors import ClientClosedError


class Lifetime:
    """Whether a client may be used. gRPC's own answer is a crash where a stub is made on a closed channel."""

    def __init__(self) -> None:
        self._is_closed = False

    def close(self) -> None:
        """Ends it."""
        self._is_closed = True

    def check(self) -> None:
        """Refuses the use of a client that is closed.

        Raises:
            ClientClosedError: It is.
        """
        if self._is_closed:
            raise ClientClosedError("the client is closed: make another, or close it after its last call")


class LoopLifetime(Lifetime):
    """Whether a client for asyncio may be used in the running event loop; the first that asks is the client's."""

    def __init__(self) -> None:
        super().__init__()
        self._loop: asyncio.AbstractEventLoop | None = None

    def check(self) -> None:
        """Refuses the use of a client that is closed, or in another event loop than its own.

        Raises:
            ClientClosedError: It is closed.
            RuntimeError: Another event loop runs, or none.
        """
        super().check()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("an AsyncClient is used in a coroutine: no event loop runs here") from None
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise RuntimeError(
                "an AsyncClient belongs to the event loop of its first call, and this is another: "
                "make a client in each asyncio.run"
            )
