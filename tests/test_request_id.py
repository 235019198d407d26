"""One id for a request in the answer's header, in the error's text and in both logs."""

import asyncio
import logging
import uuid

import pytest

from service.servicer import REQUEST_ID_HEADER
from tests.service.running_service import MODEL, ask

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


async def test_an_answer_has_the_id_that_its_caller_gave(chain):
    request_id = str(uuid.uuid4())
    assert (await run(chain, request_id, max_tokens=1)).id == request_id


@pytest.mark.parametrize("request_id", ["", "7", "ffffffff-ffff-ffff-ffff-fffffffffffg"])
async def test_what_is_no_uuid_is_not_taken_for_an_id(chain, request_id):
    answer = await run(chain, request_id, max_tokens=1)
    assert answer.id != request_id
    assert uuid.UUID(answer.id)


async def test_one_id_given_twice_at_once_is_two_requests(chain):
    request_id = str(uuid.uuid4())
    short, long = await asyncio.gather(*(run(chain, request_id, max_tokens=length) for length in (5, 50)))
    assert (short.usage.completion_tokens, long.usage.completion_tokens) == (5, 50)
