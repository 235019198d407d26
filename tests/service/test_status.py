"""The edge mapper, with handlers that fail in ways in which ours must not."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest

from service.errors import InvalidRequestError, ModelNotFoundError, QueueFullError
from service.status import error_status
from tests.service.running_service import error_info

Failure = Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def call_to(failure: Failure, reasons: list[str]) -> AsyncIterator[grpc.aio.UnaryUnaryCall]:
    """A call to a server whose one handler fails."""

    async def handle(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        async with error_status(context, "request-1", reasons.append):
            await failure()
        return b""

    server = grpc.aio.server()
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(handle)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", {"Fail": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        fail: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Service/Fail")
        yield fail(b"")
    await server.stop(None)


async def error_from(failure: Failure, reasons: list[str]) -> grpc.aio.AioRpcError:
    async with call_to(failure, reasons) as call:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    return caught.value


async def leak() -> None:
    raise KeyError("/home/alice/secret")


async def cancel_itself() -> None:
    raise asyncio.CancelledError("an inner task was cancelled")


async def refuse() -> None:
    raise QueueFullError("4 requests are waiting already")


async def quote() -> None:
    raise InvalidRequestError("conversation.messages[0].role is 'my secret'", "conversation.messages[0].role")


async def name_a_long_model() -> None:
    raise ModelNotFoundError(f"No such model {'m' * 66_000} or task")


async def wait() -> None:
    await asyncio.Event().wait()


async def test_an_unknown_exception_says_nothing_of_itself(caplog):
    reasons: list[str] = []
    with caplog.at_level(logging.ERROR):
        error = await error_from(leak, reasons)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == "internal error"
    assert error_info(error).reason == "INTERNAL"
    assert "secret" not in repr(error)
    assert reasons == ["INTERNAL"]


async def test_an_unknown_exception_is_logged_with_its_request_and_traceback(caplog):
    with caplog.at_level(logging.ERROR):
        error = await error_from(leak, [])
    assert error_info(error).metadata["request_id"] == "request-1"
    (record,) = [record for record in caplog.records if record.name == "service.status"]
    assert "request-1" in record.getMessage()
    assert record.exc_info is not None


async def test_a_cancel_from_within_does_not_leave_the_client_waiting(caplog):
    error = await error_from(cancel_itself, [])
    assert error.code() is grpc.StatusCode.INTERNAL


async def test_an_error_of_ours_arrives_as_it_is():
    error = await error_from(refuse, [])
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details() == "4 requests are waiting already"


async def test_a_call_that_its_client_cancels_is_counted_as_such():
    reasons: list[str] = []
    has_begun = asyncio.Event()

    async def begin() -> None:
        has_begun.set()
        await wait()

    async with call_to(begin, reasons) as call:
        await has_begun.wait()
        call.cancel()
    assert reasons == ["CANCELLED"]


async def test_an_error_that_quotes_a_prompt_is_logged_by_its_kind_and_field(caplog):
    caplog.set_level(logging.INFO)
    error = await error_from(quote, [])
    assert "my secret" in (error.details() or "")
    assert "my secret" not in caplog.text
    assert "request request-1 ends with INVALID_REQUEST at 'conversation.messages[0].role'" in caplog.text


async def test_what_a_client_chose_makes_no_long_line(caplog):
    caplog.set_level(logging.INFO)
    await error_from(name_a_long_model, [])
    (line,) = [record.getMessage() for record in caplog.records if "request-1" in record.getMessage()]
    assert "MODEL_NOT_FOUND" in line
    assert len(line) < 300
