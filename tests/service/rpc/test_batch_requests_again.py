"""A batch that is sent again, as clients do that have had no answer."""

import asyncio
import uuid

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from tests.support.batch_requests import ACCOUNT, batch_now, batch_of, cancelled, created, done
from tests.support.running_service import MODEL, ask, config, details, run_service
from tests.support.scripted_engine import scripted_engine

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="session")
def settings(catalog_file, tmp_path_factory):
    """Those of a service that keeps batches."""
    path = tmp_path_factory.mktemp("again") / "batches.sqlite"
    return config(catalog_file, batch_db=str(path), engine_command=scripted_engine())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def keeping(settings):
    """A service that keeps batches."""
    async with run_service(settings) as service:
        yield service


def with_id(request_id=None, requests=None, **fields):
    """A batch with a request id, a fresh one unless it is given."""
    request = batch_of(requests or [ask(max_tokens=1)], **fields)
    request.request_id = str(uuid.uuid4()) if request_id is None else request_id
    return request


async def refused_field(running, request):
    """The field for which a batch is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.batches.CreateBatch(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    bad_request = details(caught.value, error_details_pb2.BadRequest)
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    return bad_request.field_violations[0].field


async def test_a_request_that_is_sent_again_creates_nothing(keeping):
    request = with_id()
    first = await created(keeping, request)
    assert (await created(keeping, request)).id == first.id
    assert (await done(keeping, first.id)).num_items == 1
    again = await created(keeping, request)
    assert (again.id, again.state) == (first.id, batches_pb2.BATCH_STATE_DONE)
    await cancelled(keeping, first.id)


async def test_many_at_once_with_one_id_create_one_batch(keeping):
    request = with_id(requests=[ask("x" * 100, max_tokens=1)] * 300)
    ids = {batch.id for batch in await asyncio.gather(*(created(keeping, request) for _ in range(8)))}
    assert len(ids) == 1
    assert (await done(keeping, ids.pop())).num_items == 300


@pytest.mark.parametrize(
    "other",
    [
        {"requests": [ask(max_tokens=2)]},
        {"requests": [ask(max_tokens=1)] * 2},
        {"references": ["a"]},
        {"references": [""]},
        {"requests": [pb.RunRequest(prompt=pb.Prompt(text="a"))]},
    ],
)
async def test_an_id_with_other_items_is_refused_and_keeps_its_batch(keeping, other):
    request_id = str(uuid.uuid4())
    first = await created(keeping, with_id(request_id))
    assert await refused_field(keeping, with_id(request_id, **other)) == "request_id"
    assert (await created(keeping, with_id(request_id))).id == first.id


async def test_saying_a_default_makes_no_other_request(keeping):
    plain, spoken = ask(max_tokens=1), ask(max_tokens=1)
    plain.model = ""
    spoken.model, spoken.priority = MODEL, pb.PRIORITY_BATCH
    request = with_id(requests=[plain])
    spoken_request = with_id(request.request_id.upper(), requests=[spoken])
    assert (await created(keeping, spoken_request)).id == (await created(keeping, request)).id


async def test_an_id_is_an_accounts_own(keeping):
    request_id = str(uuid.uuid4())
    mine, yours = with_id(request_id), with_id(request_id, account="another")
    assert (await created(keeping, mine)).id != (await created(keeping, yours)).id


async def test_without_an_id_each_request_creates_a_batch(keeping):
    request = with_id("")
    assert (await created(keeping, request)).id != (await created(keeping, request)).id


async def test_a_batch_that_was_deleted_is_created_anew(keeping):
    request = with_id()
    first = await created(keeping, request)
    await keeping.batches.DeleteBatch(batches_pb2.DeleteBatchRequest(account=ACCOUNT, batch_id=first.id))
    assert (await created(keeping, request)).id != first.id


@pytest.mark.parametrize(
    "request_id",
    ["x", "1" * 100_000, "0" * 8 + "-0000-0000-0000-" + "0" * 12, "{0b9d3f52-7f4c-4e0a-9d43-6c1f2f3f8a}", "9f" * 16],
)
async def test_an_id_that_is_no_uuid_is_refused(keeping, request_id):
    assert await refused_field(keeping, with_id(request_id)) == "request_id"


async def test_an_id_is_remembered_over_a_restart(catalog_file, tmp_path):
    settings = config(catalog_file, batch_db=str(tmp_path / "batches.sqlite"), engine_command=scripted_engine())
    request = with_id()
    async with run_service(settings) as running:
        first = await created(running, request)
        await done(running, first.id)
    async with run_service(settings) as running:
        assert (await created(running, request)).id == first.id
        assert await refused_field(running, with_id(request.request_id, requests=[ask()])) == "request_id"
        assert (await batch_now(running, first.id)).num_succeeded == 1
