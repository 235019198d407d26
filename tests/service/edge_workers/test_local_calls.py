"""Calls that come from another server in this process."""

import asyncio
from contextlib import aclosing
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2, status_pb2
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.edge_workers.local_calls import LocalCalls
from service.server import Service
from tests.support.running_service import MODEL, RunningService, ask, config

RUN_STREAM = "/runstream.v1.TextGenerationService/RunStream"
LIST_MODELS = "/runstream.v1.ModelService/ListModels"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(catalog_file):
    service = Service(config(catalog_file), report=print, has_port=False)
    try:
        await service.start()
        yield service
    finally:
        await service.stop()


def call_of(service, method, request, *metadata):
    return service.local_calls.call(method, metadata, request.SerializeToString(), "ipv4:127.0.0.1:1")


async def test_a_stream_is_answered_part_by_part_and_ends_with_its_status(service):
    call = call_of(service, RUN_STREAM, ask(max_tokens=9), ("x-runstream-request-id", "mine"))
    parts = [pb.RunStreamResponse.FromString(part) async for part in call.parts()]
    assert parts[-1].usage.completion_tokens == 9
    assert (service.port, call.end.code) == (0, 0)
    assert dict(call.told) == {"x-runstream-request-id": "mine", "x-runstream-model": MODEL}


async def test_an_error_has_its_details_in_the_trailing_metadata(service):
    call = call_of(service, RUN_STREAM, ask(model="@none"))
    assert [part async for part in call.parts()] == []
    status = status_pb2.Status.FromString(dict(call.end.metadata)["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (call.end.code, info.reason) == (grpc.StatusCode.NOT_FOUND.value[0], "MODEL_NOT_FOUND")


async def test_closing_it_aborts_the_request_and_frees_its_blocks(service):
    call = call_of(service, RUN_STREAM, ask(max_tokens=20_000))
    async with aclosing(call.parts()) as parts:
        await anext(parts)
    async with asyncio.timeout(60):
        assert await RunningService(service, grpc.aio.insecure_channel("")).is_idle()


async def test_what_no_handler_is_there_for_is_unimplemented(service):
    call = call_of(service, "/runstream.v1.ModelService/Sing", models_pb2.ListModelsRequest())
    assert [part async for part in call.parts()] == []
    assert call.end.code == grpc.StatusCode.UNIMPLEMENTED.value[0]


async def test_an_exception_that_nobody_maps_tells_nothing_of_itself():
    async def fail(_, context):
        raise ValueError("a secret")

    calls = LocalCalls([])
    handler: Any = grpc.stream_stream_rpc_method_handler(fail)
    calls.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("a.Service", {"Do": handler})])
    call = calls.call("/a.Service/Do", (), b"", "")
    assert [part async for part in call.parts()] == []
    assert call.end is not None
    assert (call.end.code, call.end.details) == (grpc.StatusCode.INTERNAL.value[0], "internal error")


async def test_it_serves_while_a_model_does(service):
    assert service.is_serving
    (page,) = [each async for each in call_of(service, LIST_MODELS, models_pb2.ListModelsRequest()).parts()]
    assert models_pb2.ListModelsResponse.FromString(page).models
    await service.models.unload(MODEL, 0.0)
    assert not service.is_serving
