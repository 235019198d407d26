"""What a client can ask about the health of the server."""

import asyncio
import contextlib

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.support.http2 import framed, unread
from tests.support.running_service import MODEL, config, run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")


SERVICES = ("runstream.v1.BatchService", "runstream.v1.ModelService", "runstream.v1.TextGenerationService")


@pytest.mark.parametrize("service", ["", *SERVICES, MODEL])
async def test_a_service_with_a_loaded_model_is_serving(running, service):
    answer = await running.health.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_the_list_names_everything_that_can_be_asked_about(running):
    statuses = (await running.health.List(health_pb2.HealthListRequest())).statuses
    assert set(statuses) == {"", *SERVICES, MODEL}
    for service, listed in statuses.items():
        assert listed == await running.health.Check(health_pb2.HealthCheckRequest(service=service))


async def test_what_has_no_health_is_not_found(running):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.health.Check(health_pb2.HealthCheckRequest(service="@test/unknown"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


STATES = health_pb2.HealthCheckResponse


async def test_a_watcher_that_does_not_read_holds_up_neither_another_nor_the_end(catalog_file):
    async with run_service(config(catalog_file, load="on-use")) as running:
        with contextlib.ExitStack() as unreads:
            watch = unread(running.service.port, "/grpc.health.v1.Health/Watch", framed(b""))
            await asyncio.to_thread(unreads.enter_context, watch)
            watching = running.health.Watch(health_pb2.HealthCheckRequest())
            assert (await watching.read()).status == STATES.SERVING
            async with asyncio.timeout(120):
                await running.service.stop()
            assert (await watching.read()).status == STATES.NOT_SERVING
