"""One call of the service: its deadline, its metadata, its failure as a `RunstreamError`, its end."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

import grpc
from google.protobuf.message import Message
from grpc import aio

from runstream.connection import MAX_MESSAGE_BYTES
from runstream.errors import REQUEST_ID_KEY, CallCancelledError, MessageTooLargeError, from_rpc

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT")

_REQUEST_ID: Final = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class CallSettings:
    """The settings of a call.

    Attributes:
        metadata: What it carries.
        timeout_s: The most seconds that it may take; None for the service's own limit.
        wait_for_ready: Whether it waits for the service to be reachable instead of failing at once.
    """

    metadata: tuple[tuple[str, str], ...] = field(repr=False)  # a token is in it
    timeout_s: float | None
    wait_for_ready: bool

    def changed(
        self, timeout_s: float | None = None, wait_for_ready: bool | None = None, request_id: str | None = None
    ) -> "CallSettings":
        """Copies them with what one call wants otherwise; None changes nothing.

        Raises:
            ValueError: The request id is none that the service takes.
        """
        metadata = self.metadata
        if request_id is not None:
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


def call(
    method: "grpc.UnaryUnaryMultiCallable[RequestT, ResponseT]", request: RequestT, settings: CallSettings
) -> ResponseT:
    """Makes a call and waits for its answer. What interrupts the wait, such as Ctrl-C, cancels the call."""
    check_size(request)
    made = method.future(
        request, settings.timeout_s, metadata=settings.metadata, wait_for_ready=settings.wait_for_ready
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
    check_size(request)
    made = method(
        request,
        timeout=settings.timeout_s,
        metadata=aio.Metadata(*settings.metadata),
        wait_for_ready=settings.wait_for_ready,
    )
    try:
        return await made
    except grpc.RpcError as error:
        raise from_rpc(error) from None
    except asyncio.CancelledError:
        if is_task_cancelled():
            raise
        raise CallCancelledError("the client was closed during the call") from None
    finally:
        made.cancel()


def is_task_cancelled() -> bool:
    """Tells whether the running task is to end. Otherwise a CancelledError is gRPC's, about the call only."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Responses(Generic[ResponseT]):
    """The responses of a streaming call. The call is cancelled once a loop over them is left, however it is left."""

    def __init__(
        self, method: "grpc.UnaryStreamMultiCallable[RequestT, ResponseT]", request: RequestT, settings: CallSettings
    ) -> None:
        check_size(request)
        self._call = method(
            request, settings.timeout_s, metadata=settings.metadata, wait_for_ready=settings.wait_for_ready
        )
        self._is_left = False

    def cancel(self) -> None:
        """Cancels the call, if it has not ended."""
        self._is_left = True
        self._call.cancel()

    def __iter__(self) -> Iterator[ResponseT]:
        # A generator is closed as soon as nobody has it any more: when the loop is left.
        try:
            while True:
                try:
                    yield self.__next__()
                except StopIteration:
                    return
        finally:
            self.cancel()

    def __next__(self) -> ResponseT:
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
        return _Loop(self)

    async def __anext__(self) -> ResponseT:
        if self._is_left:
            raise StopAsyncIteration
        try:
            return await anext(self._responses)
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        except asyncio.CancelledError:
            if is_task_cancelled():
                self.cancel()
                raise
            if self._is_left:
                raise StopAsyncIteration from None
            raise CallCancelledError("the client was closed during the call") from None


class _Loop(Generic[ResponseT]):
    """An iterator for one loop. Unlike a generator, it can cancel the call at once when the loop is left."""

    def __init__(self, responses: AsyncResponses[ResponseT]) -> None:
        self._responses = responses

    def __aiter__(self) -> AsyncIterator[ResponseT]:
        return self

    async def __anext__(self) -> ResponseT:
        return await anext(self._responses)

    def __del__(self) -> None:
        self._responses.cancel()
