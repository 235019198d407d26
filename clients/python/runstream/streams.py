"""A completion while it is generated: an iterator of parts that cancels its call when it is left."""

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from runstream.calls import AsyncResponses, Responses
from runstream.errors import CallCancelledError
from runstream.loops import Loop
from runstream.results import Joined, Part, RunResult, to_part, to_result
from runstream.v1 import text_generation_pb2 as pb

T = TypeVar("T")


def _whole(joined: Joined, parse: Callable[[str], Any] | None) -> RunResult[Any]:
    if not joined.is_whole:
        raise CallCancelledError("the stream was left before its last part; `text` has what came")
    return to_result(joined.response(), parse)


class Stream(Generic[T]):
    """The parts of a completion as they come.

    A loop that is left ends the generation, whether by break, return or an exception; so do `cancel` and the end of a
    `with` block. Iterating a stream that was left yields nothing more.

    Raises:
        RunstreamError: While iterating, as `Client.run` does; parts that came before are whole.
    """

    def __init__(self, responses: Responses[pb.RunStreamResponse], parse: Callable[[str], Any] | None) -> None:
        self._responses = responses
        self._parse = parse
        self._joined = Joined()

    @property
    def text(self) -> str:
        """The text that has come so far."""
        return self._joined.text

    @property
    def reasoning_content(self) -> str:
        """The thinking that has come so far."""
        return self._joined.reasoning_content

    def __iter__(self) -> Iterator[Part]:
        for response in self._responses:
            yield _add(self._joined, response)

    def __next__(self) -> Part:
        return _add(self._joined, next(self._responses))

    def result(self) -> RunResult[T]:
        """Waits for the parts that are left; the whole answer, equal to that of `Client.run`.

        Raises:
            CallCancelledError: The stream was left before.
        """
        for _ in self:
            pass
        return _whole(self._joined, self._parse)

    def cancel(self) -> None:
        """Ends the generation, if it goes on; any thread may."""
        self._responses.cancel()

    def close(self) -> None:
        """Cancels, for `contextlib.closing`."""
        self.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def __del__(self) -> None:
        self.cancel()


class AsyncStream(Generic[T]):
    """The parts of a completion as they come.

    A loop that is left ends the generation, whether by break, return or an exception; so do `cancel`, the end of an
    `async with` block and cancelling the task. Iterating a stream that was left yields nothing more.

    Raises:
        RunstreamError: While iterating, as `AsyncClient.run` does; parts that came before are whole.
    """

    def __init__(self, responses: AsyncResponses[pb.RunStreamResponse], parse: Callable[[str], Any] | None) -> None:
        self._responses = responses
        self._parse = parse
        self._joined = Joined()

    @property
    def text(self) -> str:
        """The text that has come so far."""
        return self._joined.text

    @property
    def reasoning_content(self) -> str:
        """The thinking that has come so far."""
        return self._joined.reasoning_content

    def __aiter__(self) -> AsyncIterator[Part]:
        return Loop(self)

    async def __anext__(self) -> Part:
        return _add(self._joined, await anext(self._responses))

    async def result(self) -> RunResult[T]:
        """Waits for the parts that are left; the whole answer, equal to that of `AsyncClient.run`.

        Raises:
            CallCancelledError: The stream was left before.
        """
        async for _ in self:
            pass
        return _whole(self._joined, self._parse)

    def cancel(self) -> None:
        """Ends the generation, if it goes on; it need not be awaited, so that a signal's handler can."""
        self._responses.cancel()

    async def aclose(self) -> None:
        """Cancels, for `contextlib.aclosing`."""
        self.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def __del__(self) -> None:
        self.cancel()


def _add(joined: Joined, response: pb.RunStreamResponse) -> Part:
    joined.add(response)
    return to_part(response)
