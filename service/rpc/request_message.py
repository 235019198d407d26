"""The message of a call: waited for as long as a call may take, and refused if it can't be read.

By itself grpc.aio never answers a call that its client closes without a whole message, and waits for one without end.
It answers bytes that are no message with the name of an exception. Calls of one message and calls of many look alike on
the wire. So every handler is given to it as one of many, and takes its one message here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from runstream.v1 import batches_pb2

from service.errors import DeadlineExceededError, InvalidRequestError
from service.rpc.calls import ServicerContext
from service.rpc.message_fields import has_more_fields
from service.rpc.request_id import request_id_of
from service.rpc.status import error_status
from service.rpc.turns import Turn

# As many as requests have that keep to all other limits, and some. A batch of 10,000 items has 40 for each.
MAX_OTHER_FIELDS = 131_072
MAX_FIELDS = {batches_pb2.CreateBatchRequest.DESCRIPTOR.full_name: 400_000}

_NO_MESSAGE = "a message: send one at once"
_NO_TURN = "a turn for its large message, which others had before it: send it again later"

# Counting may take tenths of a second. One that waits for its turn is dropped when its caller leaves.
_LARGE = ThreadPoolExecutor(1, "large-message")


class RequestMessages(grpc.aio.ServerInterceptor):
    """Takes the messages of all calls.

    Args:
        timeout_s: How long a call waits for the next one, and for its turn. A deadline of the client's own is gRPC's to
            keep.
        count_failure: Gets the `reason` of a failure.
    """

    def __init__(self, timeout_s: float, count_failure: Callable[[str], None]) -> None:
        self._timeout_s = timeout_s
        self._count_failure = count_failure
        self._large = asyncio.Lock()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of a call, as one that reads bytes; None if there is none."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if handler.request_streaming:
            several = self._reading(handler.stream_stream, handler.request_deserializer)
            return grpc.stream_stream_rpc_method_handler(several, None, handler.response_serializer)
        if handler.response_streaming:
            streamed = self._taking(handler.unary_stream, handler.request_deserializer)
            return grpc.stream_stream_rpc_method_handler(streamed, None, handler.response_serializer)
        whole = self._taking(handler.unary_unary, handler.request_deserializer)
        return grpc.stream_unary_rpc_method_handler(whole, None, handler.response_serializer)

    def _taking(self, handle: Any, parse: Any) -> Any:
        """A handler that takes one message before it does what another does."""

        async def answer(_: AsyncIterator[bytes], context: ServicerContext) -> Any:
            request = None
            turn = Turn(self._large)
            try:
                async with error_status(context, request_id_of(context), self._count_failure):
                    request = await self._parsed_in_turn(turn, context, parse)
                return await handle(request, context)
            except grpc.aio.AbortError as error:
                _forget(error)
                raise
            finally:
                turn.end()
                del request

        return answer

    async def _parsed_in_turn(self, turn: Turn, context: ServicerContext, parse: Any) -> Any:
        message = None
        try:
            async with asyncio.timeout(self._timeout_s):
                message = await _read(context)
                await turn.wait(len(message or b""))
        except TimeoutError:
            raise self._too_late(_NO_MESSAGE if message is None else _NO_TURN) from None
        return await _parsed(message, parse)

    def _reading(self, handle: Any, parse: Any) -> Any:
        """A handler that gives another one messages that can be read. What can't be is raised there."""

        async def answer(_: AsyncIterator[bytes], context: ServicerContext) -> None:
            await handle(self._requests(context, parse), context)

        return answer

    async def _requests(self, context: ServicerContext, parse: Any) -> AsyncGenerator[Any, None]:
        while (message := await self._next(context)) is not None:
            yield await _parsed(message, parse)

    async def _next(self, context: ServicerContext) -> bytes | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await _read(context)
        except TimeoutError:
            raise self._too_late(_NO_MESSAGE) from None

    def _too_late(self, what: str) -> DeadlineExceededError:
        seconds = f"{self._timeout_s:g}"
        return DeadlineExceededError(f"the call was open for {seconds} s without {what}", timeout_s=seconds)


async def _read(context: ServicerContext) -> bytes | None:
    """The next message; None if the client sends no more, or not a whole one.

    Not from grpc.aio's iterator, which holds on to its last message, up to 16 MiB, until the next full collection.
    """
    message = await context.read()
    return None if message is grpc.aio.EOF else message


def _forget(error: BaseException | None) -> None:
    """Lets go of the frames that a call's failure has passed.

    grpc.aio keeps it in a cycle, and with the frames the request, up to 16 MiB, until the next full collection. They
    are not cleared: where calls fail with one error, those of a call that has not ended are among them.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


async def _parsed(message: bytes | None, parse: Any) -> Any:
    if message is None:
        raise InvalidRequestError("the call was closed without a whole message: send one, an empty one if need be")
    kind = parse.__self__.DESCRIPTOR
    most = MAX_FIELDS.get(kind.full_name, MAX_OTHER_FIELDS)
    if len(message) > most and await asyncio.get_running_loop().run_in_executor(
        _LARGE, has_more_fields, message, kind, most
    ):
        raise InvalidRequestError(f"the message has more than {most} fields, those of messages in it counted")
    try:
        return parse(message)
    except DecodeError as error:
        raise InvalidRequestError(f"{error}: send one of this type, with texts in UTF-8") from error
