"""The models of a catalog, in pages."""

import contextlib
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from runstream.v1 import models_pb2, models_pb2_grpc

from service.catalog import CatalogModel
from service.metrics import Metrics
from service.rpc.auth import Callers
from service.rpc.models import ModelServicer
from tests.support.running_service import details, error_info, models_with

LIMITS: dict[str, Any] = {"max_prompt_tokens": 8, "max_completion_tokens": 8, "context_window": 8}
DEFAULTS: dict[str, Any] = {"default_max_tokens": 8, "default_max_tokens_streamed": 8}


@contextlib.asynccontextmanager
async def serving(num_models):
    """A stub of a server whose catalog has models "0", "1", ..."""
    ids = [str(number) for number in range(num_models)]
    entries = {
        each: CatalogModel(id=each, description="", checkpoint="nobody/has-this", **LIMITS, **DEFAULTS) for each in ids
    }
    server = grpc.aio.server()
    servicer = ModelServicer(models_with(entries), Callers(None), Metrics())
    models_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield models_pb2_grpc.ModelServiceStub(channel)
    await server.stop(None)


async def pages(stub, page_size) -> list[list[str]]:
    """The ids on each page."""
    request, found = models_pb2.ListModelsRequest(page_size=page_size), []
    while True:
        page = await stub.ListModels(request)
        found.append([model.id for model in page.models])
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


@pytest.mark.parametrize("num_models", [0, 1, 2, 3, 6, 7])
@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 1_000])
async def test_pages_hold_each_model_once_in_the_catalogs_order(num_models, page_size):
    ids = [str(number) for number in range(num_models)]
    async with serving(num_models) as stub:
        found = await pages(stub, page_size)
    assert found == ([ids[start : start + page_size] for start in range(0, num_models, page_size)] or [[]])


@pytest.mark.parametrize("page_size", [0, 1_000, 1_001, 2**31 - 1])
async def test_a_page_has_at_most_a_thousand_models(page_size):
    async with serving(1_001) as stub:
        assert [len(page) for page in await pages(stub, page_size)] == [1_000, 1]


@pytest.mark.parametrize(
    ("field", "value"), [("page_size", -1), ("page_size", -(2**31)), ("page_token", "3"), ("page_token", "x" * 100_000)]
)
async def test_what_is_no_page_is_refused_by_its_field(field, value):
    async with serving(3) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListModels(models_pb2.ListModelsRequest(**{field: value}))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(caught.value).reason == "INVALID_REQUEST"
    bad_request = details(caught.value, error_details_pb2.BadRequest)
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    assert [violation.field for violation in bad_request.field_violations] == [field]
