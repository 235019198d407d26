"""Names of models that look like paths: they are looked up in the catalog, and nowhere else."""

import grpc
import pytest
from runstream.v1 import models_pb2

from tests.support.begun_streams import error_of
from tests.support.running_service import ask, error_info

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRICKS = [
    "../../../../etc/passwd",
    "/etc/passwd",
    "@test/../@test/tiny",
    "./tiny",
    "@test/tiny/",
    "@test//tiny",
    "@test/tiny\0.json",
    "@test\\tiny",
    "file:///etc/passwd",
    "https://example.com/model",
    "@test/%2e%2e/tiny",
    "{{ 7 * 7 }}",
    "a" * 10_000,
]


@pytest.mark.parametrize("name", TRICKS)
async def test_a_name_that_is_no_models_is_not_found_whatever_it_looks_like(running, name):
    error = await error_of(running.text_generation.RunStream(ask(model=name)))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert error_info(error).reason == "MODEL_NOT_FOUND"
    for question in (models_pb2.LoadModelRequest(model=name), models_pb2.UnloadModelRequest(model=name)):
        call = running.models.LoadModel if isinstance(question, models_pb2.LoadModelRequest) else None
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await (call or running.models.UnloadModel)(question)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
