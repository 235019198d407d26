"""What a client can ask about the server itself: health and reflection."""

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.service.running_service import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("service", ["", "runstream.v1.TextGenerationService", "runstream.v1.ModelService", MODEL])
async def test_a_service_with_a_loaded_model_is_serving(running, service):
    answer = await running.health.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_the_services(running):
    call = running.reflection.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name for service in (await call.read()).list_services_response.service}
    assert {"runstream.v1.TextGenerationService", "runstream.v1.ModelService", "grpc.health.v1.Health"} <= names
    call.cancel()
