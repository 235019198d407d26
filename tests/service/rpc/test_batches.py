"""Batches over gRPC: how they are taken, answered, read and forgotten."""

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.batches.request import MAX_ITEMS
from service.rpc.request_id import REQUEST_ID_HEADER
from tests.support.batch_requests import ACCOUNT, batch_now, batch_of, cancelled, created, done, results_of
from tests.support.engine_states import until
from tests.support.metric_samples import samples
from tests.support.running_service import MODEL, ask, config, details, error_info, run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def keeping(catalog_file, tmp_path_factory, unused_tcp_port_factory):
    """A service that keeps batches."""
    path = tmp_path_factory.mktemp("batches") / "batches.sqlite"
    settings = config(catalog_file, batch_db=str(path), metrics_port=unused_tcp_port_factory())
    async with run_service(settings) as service:
        yield service


def token_ids(answer: pb.RunResponse) -> list[int]:
    """The tokens of a completion."""
    return [logprob.token_id for logprob in answer.logprobs]


async def refusal(running, request) -> grpc.aio.AioRpcError:
    """The error with which a batch is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.batches.CreateBatch(request)
    return caught.value


async def test_a_batch_is_answered_as_run_answers_each_of_its_requests(keeping):
    requests = [ask(temperature=1.0, seed=seed, max_tokens=20, top_logprobs=1) for seed in range(40)]
    answers = [await keeping.text_generation.Run(request) for request in requests]
    batch = await created(keeping, batch_of(requests))
    assert (batch.state, batch.num_items, batch.model) == (batches_pb2.BATCH_STATE_QUEUED, 40, MODEL)
    ended = await done(keeping, batch.id)
    assert (ended.num_succeeded, ended.num_failed) == (40, 0)
    results = await results_of(keeping, batch.id)
    assert [result.index for result in results] == list(range(40))
    for answer, result in zip(answers, results, strict=True):
        assert result.response.id == f"{batch.id}/{result.index}"
        assert (result.response.text, result.response.finish_reason) == (answer.text, answer.finish_reason)
        assert token_ids(result.response) == token_ids(answer)
        assert result.response.usage.completion_tokens == answer.usage.completion_tokens


async def test_items_may_name_tokens_and_ask_for_those_of_their_prompt(keeping):
    item = ask(max_tokens=9, allowed_token_ids=[70, 71], bad_words=["never"], top_prompt_logprobs=1)
    item.MergeFrom(pb.RunRequest(prompt_token_ids=pb.TokenIds(values=[5, 6]), stop_token_ids=[71]))
    answer = await keeping.text_generation.Run(item)
    batch = await created(keeping, batch_of([item]))
    await done(keeping, batch.id)
    (result,) = await results_of(keeping, batch.id)
    assert list(result.response.prompt_logprobs) == list(answer.prompt_logprobs)
    assert (result.response.text, result.response.matched_stop_token_id) == (answer.text, answer.matched_stop_token_id)


async def test_results_repeat_the_references_of_their_items(keeping):
    requests = [ask(max_tokens=1) for _ in range(3)]
    batch = await created(keeping, batch_of(requests, references=["first", ""]))
    await done(keeping, batch.id)
    first, second, third = await results_of(keeping, batch.id)
    assert (first.external_reference, second.external_reference) == ("first", "")
    assert second.HasField("external_reference")
    assert not third.HasField("external_reference")


async def test_an_item_that_fails_leaves_the_others(keeping):
    too_long = ask("x" * 9_000)
    batch = await created(keeping, batch_of([ask(max_tokens=2), too_long, ask(max_tokens=2)]))
    ended = await done(keeping, batch.id)
    assert (ended.num_succeeded, ended.num_failed) == (2, 1)
    _, failed, last = await results_of(keeping, batch.id)
    assert failed.failure.reason == "CONTEXT_WINDOW_EXCEEDED"
    assert "exceeded this model's limit (8000)" in failed.failure.message
    assert last.response.usage.completion_tokens == 2


async def test_a_batch_tells_when_it_was_made_when_it_was_done_and_when_it_expires(keeping):
    batch = await created(keeping, batch_of([ask(max_tokens=1)]))
    assert not batch.HasField("end_time")
    assert not batch.HasField("expire_time")
    ended = await done(keeping, batch.id)
    assert ended.create_time == batch.create_time
    assert ended.end_time.ToDatetime() > ended.create_time.ToDatetime()
    assert ended.expire_time.seconds - ended.end_time.seconds == 86_400


async def test_an_accounts_batches_are_listed_newest_first_page_by_page(keeping):
    ids = [(await created(keeping, batch_of([ask(max_tokens=1)], account="lister"))).id for _ in range(3)]
    first = await keeping.batches.ListBatches(batches_pb2.ListBatchesRequest(account="lister", page_size=2))
    assert [batch.id for batch in first.batches] == [ids[2], ids[1]]
    rest = batches_pb2.ListBatchesRequest(account="lister", page_token=first.next_page_token)
    last = await keeping.batches.ListBatches(rest)
    assert ([batch.id for batch in last.batches], last.next_page_token) == ([ids[0]], "")
    assert last.batches[0].num_items == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"account": "é"}, "account"), ({"page_size": -1}, "page_size"), ({"page_token": "x" * 9}, "page_token")],
)
async def test_a_list_that_is_asked_for_wrongly_is_refused_with_the_field(keeping, fields, field):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await keeping.batches.ListBatches(batches_pb2.ListBatchesRequest(**({"account": ACCOUNT} | fields)))
    bad_request = details(caught.value, error_details_pb2.BadRequest)
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    assert [violation.field for violation in bad_request.field_violations] == [field]


async def test_another_account_finds_no_batch(keeping):
    batch = await created(keeping, batch_of([ask(max_tokens=1)]))
    sought = {"account": "another", "batch_id": batch.id}
    calls = [
        keeping.batches.GetBatch(batches_pb2.GetBatchRequest(**sought)),
        keeping.batches.StreamBatchResults(batches_pb2.StreamBatchResultsRequest(**sought)).read(),
        keeping.batches.CancelBatch(batches_pb2.CancelBatchRequest(**sought)),
        keeping.batches.DeleteBatch(batches_pb2.DeleteBatchRequest(**sought)),
    ]
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert error_info(caught.value).reason == "BATCH_NOT_FOUND"
    assert (await batch_now(keeping, batch.id)).id == batch.id


async def test_a_batch_that_is_deleted_is_gone_and_frees_the_engine(keeping):
    batch = await created(keeping, batch_of([ask(max_tokens=20_000) for _ in range(3)]))
    await until(keeping.engine, lambda: keeping.engine.num_running == 3)
    assert (await batch_now(keeping, batch.id)).state == batches_pb2.BATCH_STATE_RUNNING
    await keeping.batches.DeleteBatch(batches_pb2.DeleteBatchRequest(account=ACCOUNT, batch_id=batch.id))
    with pytest.raises(grpc.aio.AioRpcError, match="There is no batch"):
        await batch_now(keeping, batch.id)
    assert await keeping.is_idle()


async def test_a_batch_that_is_cancelled_keeps_its_results_and_the_rest_have_failed(keeping):
    batch = await created(keeping, batch_of([ask(max_tokens=1), *[ask(max_tokens=20_000)] * 3], references=["a", "b"]))
    while not (await batch_now(keeping, batch.id)).num_succeeded:
        pass
    ended = await cancelled(keeping, batch.id)
    assert (ended.state, ended.num_succeeded, ended.num_failed) == (batches_pb2.BATCH_STATE_CANCELLED, 1, 3)
    assert ended.expire_time.seconds - ended.end_time.seconds == 86_400
    assert await keeping.is_idle()
    first, second, *others = await results_of(keeping, batch.id)
    assert first.response.usage.completion_tokens == 1
    assert (second.external_reference, second.failure.reason) == ("b", "CANCELLED")
    assert {result.failure.reason for result in others} == {"CANCELLED"}


async def test_cancelling_twice_or_what_is_done_changes_nothing(keeping):
    batch = await created(keeping, batch_of([ask(max_tokens=20_000)]))
    assert await cancelled(keeping, batch.id) == await cancelled(keeping, batch.id)
    batch = await created(keeping, batch_of([ask(max_tokens=1)]))
    ended = await done(keeping, batch.id)
    assert await cancelled(keeping, batch.id) == ended


async def test_an_item_that_is_cancelled_says_what_form_was_asked_of_it(keeping):
    request = ask(max_tokens=20_000, ignore_eos=True)
    request.response_format.regex = "a*"
    json = ask(max_tokens=20_000)
    json.response_format.json_object.SetInParent()
    batch = await created(keeping, batch_of([request, json]))
    await cancelled(keeping, batch.id)
    assert [result.is_json for result in await results_of(keeping, batch.id)] == [False, True]


@pytest.mark.parametrize(
    ("choice", "is_forced"),
    [
        (pb.ToolChoice(name="add"), True),
        (pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED), True),
        (pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_AUTO), False),
        (pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_NONE), False),
        (None, False),
    ],
)
async def test_an_item_says_whether_its_answer_had_to_be_a_call(keeping, choice, is_forced):
    request = ask(max_tokens=1)
    request.tools.add(name="add")
    if choice is not None:
        request.tool_choice.CopyFrom(choice)
    batch = await created(keeping, batch_of([request]))
    await done(keeping, batch.id)
    (result,) = await results_of(keeping, batch.id)
    assert result.is_call_forced is is_forced


async def test_online_requests_go_before_the_items_of_a_batch(keeping):
    num_slots = keeping.engine.config.max_num_seqs
    batch = await created(keeping, batch_of([ask(max_tokens=20_000) for _ in range(3 * num_slots)]))
    await until(keeping.engine, lambda: keeping.engine.stats.num_running == num_slots)
    answer = await keeping.text_generation.Run(ask(max_tokens=5))
    assert answer.usage.completion_tokens == 5
    assert keeping.engine.num_running + keeping.engine.num_waiting == num_slots, "the others wait in their file"
    assert (await batch_now(keeping, batch.id)).num_succeeded == 0
    await keeping.batches.DeleteBatch(batches_pb2.DeleteBatchRequest(account=ACCOUNT, batch_id=batch.id))
    assert await keeping.is_idle()


async def test_items_share_prefixes_with_their_account_and_with_no_other(keeping):
    cached = []
    for account in ("mine", "yours", "mine"):
        request = ask("What is it that nobody but the members of my account may learn?", max_tokens=1)
        batch = await created(keeping, batch_of([request], account=account))
        sought = batches_pb2.StreamBatchResultsRequest(account=account, batch_id=batch.id)
        while not (page := await keeping.batches.StreamBatchResults(sought).read()):
            pass
        cached.append(page.results[0].response.usage.cached_prompt_tokens)
    assert cached[:2] == [0, 0]
    assert cached[2] > 0


async def test_metrics_count_items_and_tell_how_many_wait(keeping):
    port = keeping.service.metrics_port
    before = await samples(port)
    batch = await created(keeping, batch_of([ask(max_tokens=1), ask("x" * 9_000)]))
    await done(keeping, batch.id)
    await cancelled(keeping, (await created(keeping, batch_of([ask(max_tokens=20_000)]))).id)
    after = await samples(port)
    for outcome in ("succeeded", "CONTEXT_WINDOW_EXCEEDED", "CANCELLED"):
        key = ("runstream_batch_items_total", *sorted((MODEL, outcome)))
        assert after[key] - before.get(key, 0) == 1
    assert after["runstream_num_batch_items_waiting",] == 0


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        (batch_of([]), "items", "the batch has 0 items; its range is 1 to 10000"),
        (batch_of([ask()] * (MAX_ITEMS + 1)), "items", "the batch has 10001 items"),
        (batch_of([ask()], account="é"), "account", "1 to 128 printable ASCII"),
        (batch_of([ask(), ask(model="@test/other")]), "items[1].request.model", "must be the batch's or empty"),
        (batch_of([ask()], references=["x" * 1025]), "items[0].external_reference", "more than 1024"),
        (
            batch_of([pb.RunRequest(prompt=pb.Prompt(text="a"), priority=pb.PRIORITY_ONLINE)]),
            "items[0].request.priority",
            "must be PRIORITY_BATCH",
        ),
    ],
)
async def test_a_batch_that_is_wrong_is_refused_with_what_is(keeping, request_, field, message):
    error = await refusal(keeping, request_)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert message in (error.details() or "")
    bad_request = details(error, error_details_pb2.BadRequest)
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    assert [violation.field for violation in bad_request.field_violations] == [field]


async def test_every_item_that_is_wrong_is_named_and_none_is_taken(keeping):
    form = pb.ResponseFormat(regex="")
    wrong_form = pb.RunRequest(prompt=pb.Prompt(text="a"), response_format=form)
    error = await refusal(keeping, batch_of([ask(temperature=9.0), ask(), ask(max_tokens=0), wrong_form]))
    assert error_info(error).metadata["num_violations"] == "3"
    for path in ("items[0].request: sampling_params.temperature", "items[2].request: ", "items[3].request: response"):
        assert path in (error.details() or "")


async def test_a_model_that_the_catalog_lacks_is_told_when_the_batch_is_sent(keeping):
    error = await refusal(keeping, batch_of([pb.RunRequest(prompt=pb.Prompt(text="a"))], model="@test/unknown"))
    assert error_info(error).reason == "MODEL_NOT_FOUND"
    error = await refusal(keeping, batch_of([pb.RunRequest(prompt=pb.Prompt(text="a"))], model="@test/absent"))
    assert error_info(error).reason == "WEIGHTS_MISSING"


async def test_a_service_without_a_file_refuses_batches_and_says_why(running):
    error = await refusal(running, batch_of([ask()]))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error_info(error).reason == "BATCHES_DISABLED"
    assert "--batch-db" in (error.details() or "")


async def test_every_method_tells_the_requests_id(keeping):
    batch = await created(keeping, batch_of([ask(max_tokens=1)]))
    named = {"account": ACCOUNT, "batch_id": batch.id}
    calls = [
        (keeping.batches.CreateBatch, batch_of([ask(max_tokens=1)])),
        (keeping.batches.GetBatch, batches_pb2.GetBatchRequest(**named)),
        (keeping.batches.ListBatches, batches_pb2.ListBatchesRequest(account=ACCOUNT)),
        (keeping.batches.StreamBatchResults, batches_pb2.StreamBatchResultsRequest(**named)),
        (keeping.batches.CancelBatch, batches_pb2.CancelBatchRequest(**named)),
        (keeping.batches.DeleteBatch, batches_pb2.DeleteBatchRequest(**named)),
    ]
    for number, (method, request) in enumerate(calls):
        call = method(request, metadata=((REQUEST_ID_HEADER, f"caller-{number}"),))
        assert dict(await call.initial_metadata())[REQUEST_ID_HEADER] == f"caller-{number}"
        call.cancel()
