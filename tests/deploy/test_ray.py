"""The application of deploy/ray in a real Ray, with two replicas whose engines compute nothing."""

import asyncio
import contextlib
import signal
from os import kill

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2
from runstream.v1 import batches_pb2, models_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.config import Config
from tests.support.replicas import ENGINE
from tests.support.running_bridge import running_bridge
from tests.support.running_ray import TOKEN, deployment_of, read_settings, run_ray
from tests.support.running_service import Stubs, error_info

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEMO = "@runstream/demo"
CREDENTIALS = (("authorization", f"Bearer {TOKEN}"),)
NUM_STREAMS, NUM_TOKENS = 8, 60


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(tmp_path_factory):
    settings = read_settings()
    deployment_of(settings)["autoscaling_config"] |= {"min_replicas": 2, "max_replicas": 2}
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(run_ray(settings, ENGINE, tmp_path_factory.mktemp("ray")))
        await running.until_healthy()
        await running.until(lambda replicas: len(replicas) == 2)
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def stubs(application):
    async with grpc.aio.insecure_channel(application.target) as channel:
        yield Stubs(channel)


def ask(num_tokens=NUM_TOKENS, model=DEMO):
    params = pb.SamplingParams(max_tokens=num_tokens)
    return pb.RunRequest(model=model, prompt=pb.Prompt(text="word " * 20, raw=True), sampling_params=params)


async def begin(stubs, num_tokens=NUM_TOKENS, *more):
    call = stubs.text_generation.RunStream(ask(num_tokens), metadata=(*CREDENTIALS, *more), timeout=100)
    await anext(aiter(call))
    return call


async def end_of(call):
    """How many tokens came, and the error that ended it."""
    usage = 0
    try:
        async for part in call:
            usage = part.usage.completion_tokens
    except grpc.aio.AioRpcError as error:
        return usage, error
    return usage, None


async def failure(call):
    """The error of a call that is answered with nothing else."""
    if isinstance(call, grpc.aio.UnaryStreamCall):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    else:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    return caught.value


def answered(replicas):
    return {replica.pid: replica.num_answered for replica in replicas}


async def test_a_whole_answer_is_what_a_stream_sends(stubs):
    whole = stubs.text_generation.Run(ask(), metadata=CREDENTIALS)
    stream = stubs.text_generation.RunStream(ask(), metadata=CREDENTIALS)
    assert "".join([part.text async for part in stream]) == (await whole).text
    assert (await whole).usage.completion_tokens == NUM_TOKENS
    assert dict(await stream.trailing_metadata())["x-runstream-model"] == DEMO


async def test_models_health_and_tokens_are_told(stubs):
    models = await stubs.models.ListModels(models_pb2.ListModelsRequest(), metadata=CREDENTIALS)
    assert DEMO in [model.id for model in models.models]
    assert (await stubs.health.Check(health_pb2.HealthCheckRequest())).status == 1
    counted = await stubs.text_generation.CountTokens(pb.CountTokensRequest(request=ask()), metadata=CREDENTIALS)
    assert counted.prompt_tokens > 0


async def test_errors_have_their_details_and_no_part_before_them(stubs):
    unknown = ask(model="@none")
    for call in (stubs.text_generation.Run, stubs.text_generation.RunStream):
        error = await failure(call(unknown, metadata=CREDENTIALS))
        assert (error.code(), error_info(error).reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
        assert error_info(await failure(call(ask()))).reason == "UNAUTHENTICATED"
    wrong = await failure(stubs.text_generation.RunStream(ask(num_tokens=10**9), metadata=CREDENTIALS))
    assert wrong.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "max_tokens" in (wrong.details() or "")
    none = batches_pb2.GetBatchRequest(batch_id="none")
    assert error_info(await failure(stubs.batches.GetBatch(none, metadata=CREDENTIALS))).reason == "BATCHES_DISABLED"
    unload = models_pb2.UnloadModelRequest(model=DEMO)
    refused = await failure(stubs.models.UnloadModel(unload, metadata=CREDENTIALS))
    assert refused.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("is_whole", [False, True])
async def test_a_call_that_is_left_is_aborted_in_the_engine(application, stubs, is_whole):
    if is_whole:
        call = stubs.text_generation.Run(ask(1000), metadata=CREDENTIALS)
    else:
        call = await begin(stubs, 1000)
    await application.until(lambda replicas: sum(replica.num_running for replica in replicas) == 1)
    call.cancel()
    await application.until(lambda replicas: sum(replica.num_running for replica in replicas) == 0)


async def test_a_call_ends_at_its_deadline_in_the_engine_too(application, stubs):
    before = sum(replica.num_begun for replica in await application.replicas())
    call = stubs.text_generation.Run(ask(1000), metadata=CREDENTIALS, timeout=3.0)
    assert (await failure(call)).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    after = await application.until(lambda replicas: sum(replica.num_running for replica in replicas) == 0)
    assert sum(replica.num_begun for replica in after) == before + 1


async def test_a_session_stays_on_its_replica(application, stubs):
    before = answered(await application.replicas())
    for _ in range(6):
        await stubs.text_generation.Run(ask(2), metadata=(*CREDENTIALS, ("x-session-affinity", "one")))
    after = answered(await application.replicas())
    assert sorted(after[pid] - before[pid] for pid in before) == [0, 6]


async def test_a_bridge_in_front_answers_whole_and_in_events(application):
    body = {"prompt": "word " * 20, "raw": True, "max_tokens": 10}
    async with running_bridge(Config(service=application.target, service_token=TOKEN)) as bridge:
        whole = await bridge.run(body)
        streamed = await bridge.run(body | {"stream": True})
        wrong = await bridge.run({"prompt": 3})
        ready = await bridge.ask("GET", "/readyz")
    assert (whole.status, streamed.status, wrong.status, ready.status) == (200, 200, 400, 200), whole.body
    assert streamed.body.endswith(b"data: [DONE]\n\n")


async def test_of_a_killed_replica_the_streams_end_with_an_error_and_no_other_is_touched(application, stubs):
    # On a busy machine the first has had seconds when the last begins, and looking takes some, too.
    streams = [await begin(stubs, 600) for _ in range(NUM_STREAMS)]
    (victim, _) = await application.until(lambda replicas: all(replica.num_running for replica in replicas))
    kill(victim.pid, signal.SIGKILL)
    ends = await asyncio.gather(*map(end_of, streams))
    lost = [error for _, error in ends if error is not None]
    assert 0 < len(lost) < NUM_STREAMS
    assert {error.code() for error in lost} == {grpc.StatusCode.INTERNAL}
    assert all((error.details() or "").startswith("The actor died unexpectedly") for error in lost)
    assert not any("Traceback" in (error.details() or "") for error in lost)
    assert {tokens for tokens, error in ends if error is None} == {600}
    assert [await end_of(await begin(stubs)) for _ in range(4)] == [(NUM_TOKENS, None)] * 4
    replicas = await application.until(lambda replicas: len(replicas) == 2)
    assert victim.pid not in {replica.pid for replica in replicas}


@pytest.mark.stress
async def test_under_load_replicas_come_and_go_again_and_no_stream_is_lost(tmp_path):
    settings = read_settings()
    deployment_of(settings)["autoscaling_config"] |= {
        "min_replicas": 1,
        "max_replicas": 2,
        "target_ongoing_requests": 4,
        "upscale_delay_s": 1,
        "downscale_delay_s": 2,
        "metrics_interval_s": 1,
        "look_back_period_s": 2,
    }
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(run_ray(settings, ENGINE, tmp_path))
        await running.until_healthy()
        async with grpc.aio.insecure_channel(running.target) as channel:
            stubs = Stubs(channel)
            load = [asyncio.create_task(end_of(await begin(stubs, 1000))) for _ in range(12)]
            await running.until(lambda replicas: len(replicas) == 2)
            late = [await begin(stubs, 200) for _ in range(8)]
            await running.until(lambda replicas: all(replica.num_running for replica in replicas))
            assert await asyncio.gather(*load) == [(1000, None)] * 12
            assert await asyncio.gather(*map(end_of, late)) == [(200, None)] * 8
            await running.until(lambda replicas: len(replicas) == 1)
            assert await end_of(await begin(stubs)) == (NUM_TOKENS, None)
