"""Calls without a message, with half of one, or with bytes that are none: each is answered, with a status of ours."""

import asyncio
import base64
import logging
import uuid
import weakref
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from runstream.v1 import batches_pb2, models_pb2, models_pb2_grpc, text_generation_pb2

from service.errors import EngineFailedError
from service.metrics import Metrics
from service.rpc.auth import Callers
from service.rpc.models import ModelServicer
from service.rpc.request_id import REQUEST_ID_HEADER, request_id_of
from service.rpc.request_message import RequestMessages
from service.rpc.status import error_status
from service.rpc.turns import LARGE_BYTES
from tests.support.http2 import call, framed
from tests.support.running_service import error_info, models_with

pytestmark = pytest.mark.asyncio(loop_scope="session")

FILES = (text_generation_pb2, models_pb2, batches_pb2, health_pb2, reflection_pb2)
METHODS = [
    method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods_by_name.values()
]
NOT_WHOLE = {"nothing": b"", "part of a length": b"\0\0\0", "part of a message": b"\0\0\0\0\x64abc"}


def path_of(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def text_that_is_not_utf8(method: MethodDescriptor) -> bytes:
    """A message whose first field of text, or of a message, holds bytes that can't be one."""
    kinds = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE)
    number = min(field.number for field in method.input_type.fields if field.type in kinds)
    return bytes([number << 3 | 2, 2, 0xFF, 0xFE])


async def refusal(running, method: MethodDescriptor, body: bytes) -> tuple[str, error_details_pb2.ErrorInfo]:
    """The message and the ErrorInfo of the status INVALID_ARGUMENT that a call ends with."""
    answer = await asyncio.to_thread(call, running.service.port, path_of(method), body)
    assert answer["grpc-status"] == "3"
    packed = base64.b64decode(answer["grpc-status-details-bin"] + "==")
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(packed).details[0].Unpack(info)
    return answer["grpc-message"], info


@pytest.mark.parametrize("body", NOT_WHOLE.values(), ids=NOT_WHOLE)
@pytest.mark.parametrize("method", [each for each in METHODS if not each.client_streaming], ids=path_of)
async def test_a_call_that_is_closed_without_a_whole_message_is_refused(running, method, body):
    message, info = await refusal(running, method, body)
    assert "closed without a whole message" in message
    assert (info.domain, info.reason) == ("runstream", "INVALID_REQUEST")


@pytest.mark.parametrize("method", METHODS, ids=path_of)
async def test_bytes_that_are_no_message_are_refused_and_leave_no_traceback(running, method, caplog):
    with caplog.at_level(logging.WARNING):
        message, info = await refusal(running, method, framed(b"\xff\xff\xff"))
    assert method.input_type.full_name in message
    assert (info.domain, info.reason) == ("runstream", "INVALID_REQUEST")
    assert caplog.records == []


@pytest.mark.parametrize("method", [each for each in METHODS if each.input_type.fields], ids=path_of)
async def test_a_text_that_is_not_utf8_is_refused(running, method):
    _, info = await refusal(running, method, framed(text_that_is_not_utf8(method)))
    assert (info.domain, info.reason) == ("runstream", "INVALID_REQUEST")


async def test_questions_of_reflection_may_be_none(running):
    method = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].methods_by_name["ServerReflectionInfo"]
    answer = await asyncio.to_thread(call, running.service.port, path_of(method), b"")
    assert answer["grpc-status"] == "0"


async def test_a_call_that_stays_open_without_a_message_ends_with_the_default_deadline():
    failures: list[str] = []
    server = grpc.aio.server(interceptors=[RequestMessages(0.05, failures.append)])
    servicer = ModelServicer(models_with({}), Callers(None), Metrics())
    models_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.stream_unary("/runstream.v1.ModelService/ListModels")()
    await server.stop(None)
    assert (caught.value.code(), failures) == (grpc.StatusCode.DEADLINE_EXCEEDED, ["DEADLINE_EXCEEDED"])
    assert error_info(caught.value).metadata["timeout_s"] == "0.05"


@pytest.mark.parametrize("value", [b"\xff\xfe", "é".encode(), b"a\x01b"], ids=ascii)
async def test_metadata_that_is_no_text_is_no_id_and_stays_out_of_the_log(running, value, caplog):
    metadata = ("x-runstream-request-id", value)
    body = framed(models_pb2.GetModelRequest(model="@test/unknown").SerializeToString())
    answer = await asyncio.to_thread(call, running.service.port, "/runstream.v1.ModelService/GetModel", body, metadata)
    assert answer["grpc-status"] == "5"
    assert uuid.UUID(answer["x-runstream-request-id"])
    assert caplog.records == []


class Caller:
    """As much of a call as is asked for its message."""

    def invocation_metadata(self):
        return ()

    async def read(self):
        return b""


async def test_a_call_that_fails_leaves_nothing_of_its_request_behind():
    kept = []

    async def fail(request, context):
        local = {1}
        kept.append(weakref.ref(local))
        raise grpc.aio.AbortError

    answer = RequestMessages(1, Metrics().count_failure)._taking(fail, models_pb2.GetModelRequest.FromString)
    with pytest.raises(grpc.aio.AbortError) as caught:
        await answer(None, Caller())
    assert caught.value.__traceback__ is not None
    assert [reference() for reference in kept] == [None]


async def test_calls_that_fail_with_one_error_at_once_each_end_with_it_and_their_own_id():
    error, ids = EngineFailedError("the engine failed"), [f"request-{number}" for number in range(8)]
    may_fail = asyncio.Event()

    async def fail(request, context):
        async with error_status(context, request_id_of(context), lambda reason: None):
            await context.write(request)
            await may_fail.wait()
            raise error

    handler = grpc.unary_stream_rpc_method_handler(fail, empty_pb2.Empty.FromString, empty_pb2.Empty.SerializeToString)
    server = grpc.aio.server(interceptors=[RequestMessages(60, lambda reason: None)])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Service", {"Fail": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/test.Service/Fail")
        calls = [call(b"", metadata=[(REQUEST_ID_HEADER, each)]) for each in ids]
        assert [await each.read() for each in calls] == [b""] * len(ids)
        may_fail.set()
        infos = [error_info(await _failure(each)) for each in calls]
    await server.stop(None)
    assert [(each.reason, each.metadata["request_id"]) for each in infos] == [("ENGINE_FAILED", each) for each in ids]


async def _failure(call: grpc.aio.UnaryStreamCall[bytes, bytes]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    return caught.value


class Sender(Caller):
    """A caller that sends a message and may be told how its call ended."""

    def __init__(self, num_characters):
        self._message = models_pb2.GetModelRequest(model="a" * num_characters).SerializeToString()
        self.ended: tuple[Any, ...] = ()

    async def read(self):
        return self._message

    async def abort(self, *status):
        self.ended = status
        raise grpc.aio.AbortError


async def test_a_large_message_that_has_no_turn_in_time_is_refused():
    failures: list[str] = []
    messages, sender = RequestMessages(0.05, failures.append), Sender(LARGE_BYTES)
    answer = messages._taking(None, models_pb2.GetModelRequest.FromString)
    async with messages._large:
        with pytest.raises(grpc.aio.AbortError):
            await answer(None, sender)
    assert not messages._large.locked()
    assert failures == ["DEADLINE_EXCEEDED"]
    code, text, _ = sender.ended
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert text.startswith("the call was open for 0.05 s without a turn for its large message")


async def test_a_large_message_waits_for_its_turn_and_a_small_one_does_not():
    async def handle(request, context):
        return len(request.model)

    messages = RequestMessages(30, Metrics().count_failure)
    answer = messages._taking(handle, models_pb2.GetModelRequest.FromString)
    async with messages._large:
        waiting = asyncio.create_task(answer(None, Sender(LARGE_BYTES)))
        for _ in range(20):
            assert await answer(None, Sender(1)) == 1
            await asyncio.to_thread(bool)
        assert not waiting.done()
    assert await waiting == LARGE_BYTES
    assert not messages._large.locked()
