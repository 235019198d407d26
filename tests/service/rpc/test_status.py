"""The edge mapper, with handlers that fail in ways in which ours must not."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import grpc
import pytest
from google.rpc import error_details_pb2

from service.errors import InvalidRequestError, ModelNotFoundError, QueueFullError
from service.rpc.status import error_status
from tests.support.running_service import details, error_info

# Longer than a test may take, unless the server says how long to wait.
_RETRIES = {"maxAttempts": 4, "initialBackoff": "3600s", "maxBackoff": "3600s", "backoffMultiplier": 1}
ASKS_AGAIN = {
    "methodConfig": [{"name": [{}], "retryPolicy": _RETRIES | {"retryableStatusCodes": ["RESOURCE_EXHAUSTED"]}}]
}

Failure = Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def call_to(
    failure: Failure, reasons: list[str], *options: tuple[str, str]
) -> AsyncIterator[grpc.aio.UnaryUnaryCall]:
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
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        fail: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Service/Fail")
        yield fail(b"", timeout=120)
    await server.stop(None)


async def error_from(failure: Failure, reasons: list[str]) -> grpc.aio.AioRpcError:
    async with call_to(failure, reasons) as call:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    return caught.value


def refused(message: str) -> Failure:
    async def fail() -> None:
        raise InvalidRequestError(message, f"tools[{message}]", shown=message)

    return fail


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
    (record,) = [record for record in caplog.records if record.name == "service.rpc.status"]
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
    assert """id='request-1' """ in caplog.text
    assert "error='INVALID_REQUEST at conversation.messages[0].role'" in caplog.text


async def test_what_a_client_chose_makes_no_long_line(caplog):
    caplog.set_level(logging.INFO)
    await error_from(name_a_long_model, [])
    (line,) = [record.getMessage() for record in caplog.records if "request-1" in record.getMessage()]
    assert "MODEL_NOT_FOUND" in line
    assert len(line) < 300


@pytest.mark.parametrize("character", ["a", "%", "\0", "\n", "é", "€", "😀"], ids=ascii)
@pytest.mark.parametrize("length", [90, 290, 410, 100_000])
async def test_whatever_an_error_quotes_arrives(character, length):
    async def quote() -> None:
        text = character * length
        raise InvalidRequestError(text, text, model=text, tool=text)

    error = await error_from(quote, [])
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.details() or "").startswith(character * 90)
    assert error_info(error).reason == "INVALID_REQUEST"


async def test_a_failure_that_is_worth_asking_again_says_when_in_both_ways():
    error = await error_from(refuse, [])
    assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
    retry = details(error, error_details_pb2.RetryInfo)
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToTimedelta() == timedelta(seconds=1)


async def test_a_failure_that_is_not_says_nothing_of_it():
    error = await error_from(leak, [])
    assert "grpc-retry-pushback-ms" not in dict(error.trailing_metadata())
    assert details(error, error_details_pb2.RetryInfo) is None


async def test_a_failure_tells_the_id_in_its_trailers_and_sends_no_headers():
    async with call_to(refuse, []) as call:
        assert tuple(await call.initial_metadata()) == ()
        assert dict(await call.trailing_metadata())["x-runstream-request-id"] == "request-1"


async def test_a_client_whose_service_config_says_so_asks_again_by_itself():
    failures = [QueueFullError("4 requests are waiting already")]

    async def refuse_once() -> None:
        if failures:
            raise failures.pop()

    async with call_to(refuse_once, [], ("grpc.service_config", json.dumps(ASKS_AGAIN))) as call:
        assert await call == b""
    assert failures == []


async def test_half_a_surrogate_pair_which_json_can_write_is_told_as_a_question_mark():
    error = await error_from(refused("a\ud800b"), [])
    assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "a?b")
    assert error_info(error).metadata["shown"] == "a?b"
