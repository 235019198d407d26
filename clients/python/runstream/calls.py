"""One call of the service: its deadline, its metadata, its failure as a `RunstreamError`, its end."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

import grpc
from google.protobuf.message import Message
from grpc import aio

from runstream.connection import MAX_MESSAGE_BYTES
from runstream.errors import REQUEST_ID_KEY, CallCancelledError, MessageTooLargeError, from_rpc
from runstream.lifetime import Lifetime
from runstream.loops import Loop
from runstream.seconds import check_seconds
from runstream.waiting import apart

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT")
CallT = TypeVar("CallT")

_REQUEST_ID: Final = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class CallSettings:
    """The settings of a call.

    Attributes:
        metadata: What it carries.
        timeout_s: The most seconds that it may take; None for the service's own limit.
        wait_for_ready: Whether it waits for the service to be reachable instead of failing at once.
        lifetime: That of its client.

    Raises:
        TypeError: `timeout_s` is no number.
        ValueError: `timeout_s` is no time that a call can have.
    """

    metadata: tuple[tuple[str, str], ...] = field(repr=False)  # a token is in it
    timeout_s: float | None
    wait_for_ready: bool
    lifetime: Lifetime

    def __post_init__(self) -> None:
        check_seconds(self.timeout_s, "timeout_s")

    def changed(
        self, timeout_s: float | None = None, wait_for_ready: bool | None = None, request_id: str | None = None
    ) -> "CallSettings":
        """Copies them with what one call wants otherwise; None changes nothing.

        Raises:
            TypeError: A value is of the wrong type.
            ValueError: The request id is none that the service takes, or the timeout no time that a call can have.
        """
        metadata = self.metadata
        if request_id is not None:
            if not isinstance(request_id, str):
                raise TypeError(f"request_id is of type {type(request_id).__name__}: give a text")
            if not _REQUEST_ID.fullmatch(request_id):
                raise ValueError("request_id is not of 1 to 128 visible ASCII characters")
            metadata = (*metadata, (REQUEST_ID_KEY, request_id))
        return replace(
            self,
            metadata=metadata,
            timeout_s=self.timeout_s if timeout_s is None else timeout_s,
            wait_for_ready=self.wait_for_ready if wait_for_ready is None else wait_for_ready,
        )


def check_size(request: Message) -> None:
    """Refuses a request that gRPC would not send.

    Raises:
        MessageTooLargeError: It has more than 16 MiB.
    """
    num_bytes = request.ByteSize()
    if num_bytes > MAX_MESSAGE_BYTES:
        raise MessageTooLargeError(
            f"the request has {num_bytes / 2**20:.1f} MiB, and a message at most {MAX_MESSAGE_BYTES >> 20}: "
            "send less at once; a batch can be several"
        )


def _start(start: Callable[[], CallT], lifetime: Lifetime) -> CallT:
    """Starts a call of a client that may still be used."""
    lifetime.check()
    try:
        return start()
    except ValueError:
        lifetime.check()  # another thread may have closed it meanwhile
        raise


def call(
    method: "grpc.UnaryUnaryMultiCallable[RequestT, ResponseT]", request: RequestT, settings: CallSettings
) -> ResponseT:
    """Makes a call and waits for its answer. What interrupts the wait, such as Ctrl-C, cancels the call."""
    check_size(request)
    made = _start(
        lambda: method.future(
            request, settings.timeout_s, metadata=settings.metadata, wait_for_ready=settings.wait_for_ready
        ),
        settings.lifetime,
    )
    try:
        return made.result()
    except grpc.RpcError as error:
        raise from_rpc(error) from None
    except grpc.FutureCancelledError:
        raise CallCancelledError("the client was closed during the call") from None
    finally:
        made.cancel()


async def call_async(
    method: "aio.UnaryUnaryMultiCallable[RequestT, ResponseT]", request: RequestT, settings: CallSettings
) -> ResponseT:
    """Makes a call and waits for its answer. Cancelling the task cancels the call."""
    num_cancels = await count_cancels()
    settings.lifetime.check()
    check_size(request)
    made = method(
        request,
        timeout=settings.timeout_s,
        metadata=aio.Metadata(*settings.metadata),
        wait_for_ready=settings.wait_for_ready,
    )
    try:
        return await apart(made)
    except grpc.RpcError as error:
        raise from_rpc(error) from None
    except asyncio.CancelledError:
        if is_task_cancelled(num_cancels):
            raise
        raise CallCancelledError("the client was closed during the call") from None
    finally:
        made.cancel()


async def count_cancels() -> int:
    """Counts how often the running task was to end, and did not. If it still is to, it does here."""
    num_cancels = _num_cancels()
    if num_cancels:
        await asyncio.sleep(0)
    return num_cancels


def is_task_cancelled(num_cancels: int) -> bool:
    """Tells whether the running task is to end. Otherwise a CancelledError is gRPC's, about the call only.

    Args:
        num_cancels: What `count_cancels` counted before the call.
    """
    return _num_cancels() > num_cancels


def _num_cancels() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


class _BusyError(RuntimeError):
    """Two threads want the next part of one stream."""


class Responses(Generic[ResponseT]):
    """The responses of a streaming call. The call is cancelled once a loop over them is left, however it is left."""

    def __init__(
        self, method: "grpc.UnaryStreamMultiCallable[RequestT, ResponseT]", request: RequestT, settings: CallSettings
    ) -> None:
        check_size(request)
        self._call = _start(
            lambda: method(
                request, settings.timeout_s, metadata=settings.metadata, wait_for_ready=settings.wait_for_ready
            ),
            settings.lifetime,
        )
        self._is_left = False
        self._reading = threading.Lock()

    def cancel(self) -> None:
        """Cancels the call, if it has not ended."""
        self._is_left = True
        self._call.cancel()

    def __iter__(self) -> Iterator[ResponseT]:
        # A generator is closed as soon as nobody has it any more: when the loop is left.
        with ExitStack() as when_left:
            when_left.callback(self.cancel)
            while True:
                try:
                    yield self.__next__()
                except StopIteration:
                    return
                except _BusyError:
                    when_left.pop_all()  # the other thread goes on
                    raise

    def __next__(self) -> ResponseT:
        if not self._reading.acquire(blocking=False):
            raise _BusyError("another thread waits for this stream's next part: only one at a time can")
        try:
            return self._next()
        finally:
            self._reading.release()

    def _next(self) -> ResponseT:
        if self._is_left:
            raise StopIteration
        try:
            return next(self._call)
        except grpc.RpcError as error:
            if self._is_left:
                raise StopIteration from None
            raise from_rpc(error) from None
        except BaseException:
            self._call.cancel()
            raise


class AsyncResponses(Generic[ResponseT]):
    """The responses of a streaming call. The call is cancelled once a loop over them is left, however it is left."""

    def __init__(
        self, method: "aio.UnaryStreamMultiCallable[RequestT, ResponseT]", request: RequestT, settings: CallSettings
    ) -> None:
        settings.lifetime.check()
        check_size(request)
        self._call = method(
            request,
            timeout=settings.timeout_s,
            metadata=aio.Metadata(*settings.metadata),
            wait_for_ready=settings.wait_for_ready,
        )
        self._responses = aiter(self._call)
        self._is_left = False

    def cancel(self) -> None:
        """Cancels the call, if it has not ended."""
        self._is_left = True
        self._call.cancel()

    def __aiter__(self) -> AsyncIterator[ResponseT]:
        return Loop(self)

    async def __anext__(self) -> ResponseT:
        if self._is_left:
            raise StopAsyncIteration
        num_cancels = await count_cancels()
        try:
            return await apart(anext(self._responses))
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        except asyncio.CancelledError:
            if is_task_cancelled(num_cancels):
                self.cancel()
                raise
            if self._is_left:
                raise StopAsyncIteration from None
            raise CallCancelledError("the client was closed during the call") from None
