"""One id for a request in the answer's header, in the error's text and in both logs."""

import asyncio
import logging
import uuid

import grpc
import pytest
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.rpc.request_id import REQUEST_ID_HEADER
from tests.support.running_service import MODEL, ask, error_info

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def run(chain, request_id, **params):
    """Asks over gRPC with an id."""
    metadata = ((REQUEST_ID_HEADER, request_id),)
    return await chain.service.text_generation.Run(ask(**params), metadata=metadata)


async def test_both_logs_name_a_request_alike(chain, caplog):
    caplog.set_level(logging.INFO)
    refused = await chain.bridge.run({"prompt": "x" * 9_000}, MODEL)
    loggers = {record.name for record in caplog.records if refused.headers["cf-ai-req-id"] in record.getMessage()}
    assert {name.split(".")[0] for name in loggers} == {"bridge", "service"}


VALID = ["0b9d3f52-7f4c-4e0a-9d43-6c1f2f3f8a11", "7", "order/17:retry=2", "".join(map(chr, range(33, 127))), "x" * 128]


@pytest.mark.parametrize("request_id", VALID)
async def test_an_answer_has_the_id_that_its_caller_gave(chain, request_id):
    assert (await run(chain, request_id, max_tokens=1)).id == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, "two words"])
async def test_what_is_no_id_is_not_taken_for_one(chain, request_id):
    answer = await run(chain, request_id, max_tokens=1)
    assert answer.id != request_id
    assert uuid.UUID(answer.id)


@pytest.mark.parametrize("request_id", VALID)
async def test_every_method_tells_the_id_before_its_answer(chain, request_id):
    service = chain.service
    calls = [
        (service.text_generation.Run, ask(max_tokens=1)),
        (service.text_generation.RunStream, ask(max_tokens=1)),
        (service.text_generation.CountTokens, pb.CountTokensRequest(request=ask())),
        (service.models.ListModels, models_pb2.ListModelsRequest()),
        (service.models.GetModel, models_pb2.GetModelRequest(model=MODEL)),
        (service.models.LoadModel, models_pb2.LoadModelRequest(model=MODEL)),
    ]
    for method, request in calls:
        call = method(request, metadata=((REQUEST_ID_HEADER, request_id),))
        assert dict(await call.initial_metadata())[REQUEST_ID_HEADER] == request_id
        call.cancel()


@pytest.mark.parametrize("request_id", VALID)
async def test_a_failure_tells_the_id_after_it(chain, request_id):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await run(chain, request_id, max_tokens=0)
    assert dict(caught.value.trailing_metadata())[REQUEST_ID_HEADER] == request_id
    assert error_info(caught.value).metadata["request_id"] == request_id


async def test_one_id_given_twice_at_once_is_two_requests(chain):
    request_id = str(uuid.uuid4())
    short, long = await asyncio.gather(*(run(chain, request_id, max_tokens=length) for length in (5, 50)))
    assert (short.usage.completion_tokens, long.usage.completion_tokens) == (5, 50)
