"""What belongs to an account: its batches, its cached prefixes, what its token may do."""

import grpc
import pytest
import pytest_asyncio
from runstream.v1 import batches_pb2 as pb
from runstream.v1 import models_pb2, text_generation_pb2

from accounts.tokens import Token, hash_token
from tests.support.batch_requests import batch_of
from tests.support.running_service import MODEL, ask, config, error_info, run_service
from tests.support.scripted_engine import scripted_engine

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKENS = tuple(Token(account, hash_token(account), "test") for account in ("acc", "other", "*"))
ID = "00000000-0000-4000-8000-000000000000"


def by(token, *named):
    """Metadata of a call with a token, which names an account."""
    return (("authorization", f"Bearer {token}"), *(("x-runstream-account", account) for account in named))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded(catalog_file, tmp_path_factory):
    """A service with tokens that keeps batches."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").write_text("\n".join(map(str, TOKENS)))
    settings = config(catalog_file, token_file=folder / "tokens", batch_db=str(folder / "batches.sqlite"))
    async with run_service(settings) as service:
        yield service


async def reason_of(call):
    """Why a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call if hasattr(call, "__aiter__") else _once(call):
            pass
    return error_info(caught.value).reason


async def again_and_again(call, request):
    """Calls for the account "acc" until that fails."""
    while True:
        yield await call(request, metadata=by("acc"))


async def _once(call):
    yield await call


def calls_of_batches(running, account, metadata):
    """Every call of batches, for an account."""
    stub, named = running.batches, {"account": account, "batch_id": ID}
    new = batch_of([ask(max_tokens=1)], account=account)
    return {
        "CreateBatch": stub.CreateBatch(new, metadata=metadata),
        "GetBatch": stub.GetBatch(pb.GetBatchRequest(**named), metadata=metadata),
        "StreamBatchResults": stub.StreamBatchResults(pb.StreamBatchResultsRequest(**named), metadata=metadata),
        "ListBatches": stub.ListBatches(pb.ListBatchesRequest(account=account), metadata=metadata),
        "CancelBatch": stub.CancelBatch(pb.CancelBatchRequest(**named), metadata=metadata),
        "DeleteBatch": stub.DeleteBatch(pb.DeleteBatchRequest(**named), metadata=metadata),
    }


async def test_no_call_of_batches_may_name_another_account(guarded):
    calls = calls_of_batches(guarded, "other", by("acc"))
    assert {await reason_of(call) for call in calls.values()} == {"PERMISSION_DENIED"}
    assert calls.keys() == {method.name for method in pb.DESCRIPTOR.services_by_name["BatchService"].methods}


async def test_no_call_may_name_another_account_in_its_metadata(guarded):
    metadata, stub = by("acc", "other"), guarded.text_generation
    calls = [
        stub.Run(ask(), metadata=metadata),
        stub.RunStream(ask(), metadata=metadata),
        stub.CountTokens(text_generation_pb2.CountTokensRequest(request=ask()), metadata=metadata),
        guarded.models.ListModels(models_pb2.ListModelsRequest(), metadata=metadata),
        guarded.models.GetModel(models_pb2.GetModelRequest(model=MODEL), metadata=metadata),
        *calls_of_batches(guarded, "", metadata).values(),
    ]
    assert {await reason_of(call) for call in calls} == {"PERMISSION_DENIED"}


async def test_batches_are_their_accounts_without_a_field_and_invisible_to_others(guarded):
    created = await guarded.batches.CreateBatch(batch_of([ask(max_tokens=1)], account=""), metadata=by("acc"))
    listed = {}
    for token, named in (("acc", ()), ("other", ()), ("*", ("acc",)), ("*", ("other",))):
        page = await guarded.batches.ListBatches(pb.ListBatchesRequest(), metadata=by(token, *named))
        listed[token, named] = [batch.id for batch in page.batches]
    mine = [created.batch.id]
    assert listed == {("acc", ()): mine, ("other", ()): [], ("*", ("acc",)): mine, ("*", ("other",)): []}
    sought = pb.GetBatchRequest(batch_id=created.batch.id)
    assert await reason_of(guarded.batches.GetBatch(sought, metadata=by("other"))) == "BATCH_NOT_FOUND"
    by_field = pb.GetBatchRequest(account="acc", batch_id=created.batch.id)
    for token in ("acc", "*"):
        assert (await guarded.batches.GetBatch(by_field, metadata=by(token))).batch.id == created.batch.id


async def test_accounts_never_share_prefixes_whatever_they_say_of_salts(guarded):
    request = ask("What is it that I alone have asked, and nobody else may learn?", max_tokens=1)

    async def cached(*caller, salt=""):
        request.cache_salt = salt
        return (await guarded.text_generation.Run(request, metadata=by(*caller))).usage.cached_prompt_tokens

    assert await cached("acc") == 0
    assert await cached("acc") > 0
    for salt in ("", "acc", "acc\0"):
        assert await cached("other", salt=salt) == 0
    assert await cached("*") == 0
    assert await cached("*", "acc") > 0


async def test_a_batchs_items_share_prefixes_with_their_accounts_calls(guarded):
    request = ask("What do the batch and the call of one account ask alike, for at least one block?", max_tokens=1)
    await guarded.text_generation.Run(request, metadata=by("acc"))
    cached = {}
    for account in ("acc", "other"):
        created = await guarded.batches.CreateBatch(batch_of([request], account=""), metadata=by(account))
        sought = pb.StreamBatchResultsRequest(batch_id=created.batch.id)
        results: list[pb.BatchResult] = []
        while not results:
            call = guarded.batches.StreamBatchResults(sought, metadata=by(account))
            results = [result async for page in call for result in page.results]
        cached[account] = results[0].response.usage.cached_prompt_tokens
    assert cached["acc"] > 0
    assert cached["other"] == 0


async def test_only_a_peer_sees_to_the_models(guarded):
    load, unload = models_pb2.LoadModelRequest(model=MODEL), models_pb2.UnloadModelRequest(model="@test/absent")
    assert await reason_of(guarded.models.LoadModel(load, metadata=by("acc"))) == "PERMISSION_DENIED"
    assert await reason_of(guarded.models.UnloadModel(unload, metadata=by("acc"))) == "PERMISSION_DENIED"
    assert (await guarded.models.LoadModel(load, metadata=by("*"))).model.id == MODEL


async def test_a_revoked_token_is_refused_on_its_connection_and_its_stream_goes_on(catalog_file, tmp_path):
    path = tmp_path / "tokens"
    path.write_text("\n".join(map(str, TOKENS)))
    async with run_service(config(catalog_file, token_file=path, engine_command=scripted_engine(1000))) as running:
        stream = running.text_generation.RunStream(ask(max_tokens=2000), metadata=by("acc"))
        parts = aiter(stream)
        await anext(parts)
        path.write_text(str(TOKENS[1]))
        question = models_pb2.ListModelsRequest()
        assert await reason_of(again_and_again(running.models.ListModels, question)) == "UNAUTHENTICATED"
        assert (await running.models.ListModels(question, metadata=by("other"))) is not None
        *_, last = [part async for part in parts]
        assert last.usage.completion_tokens == 2000
