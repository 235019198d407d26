"""Envoy in front of three services, as deploy/envoy/services.yaml has it."""

import asyncio
import contextlib

import grpc
import pytest
from runstream.v1 import batches_pb2, batches_pb2_grpc, models_pb2, models_pb2_grpc, text_generation_pb2_grpc
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import failure, several_running
from tests.support.ports import unused_ports
from tests.support.running_envoy import lead_to, read_settings, run_envoy

NUM_STREAMS = 120
DRAINING = failure(grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", "the service is draining", retry_after_s=1)


@pytest.fixture
async def services():
    """Three services that answer what they are told."""
    async with several_running(3) as fakes:
        yield fakes


@pytest.fixture
def settings(services):
    settings = read_settings("services")
    lead_to(settings, [fake.target for fake in services])
    return settings


@pytest.fixture
async def envoy(settings, tmp_path):
    with contextlib.ExitStack() as stack:
        yield await asyncio.to_thread(stack.enter_context, run_envoy(settings, tmp_path))


@pytest.fixture
async def channel(envoy):
    async with grpc.aio.insecure_channel(envoy.target) as channel:
        yield channel


@pytest.fixture
def stub(channel):
    return text_generation_pb2_grpc.TextGenerationServiceStub(channel)


def counts(services):
    return [len(fake.requests) for fake in services]


async def begun(stub, number, metadata=None):
    """Streams that each have their first part before the next begins, and are held there."""
    calls = []
    for _ in range(number):
        calls.append(stub.RunStream(pb.RunRequest(), metadata=metadata))
        assert (await anext(aiter(calls[-1]))).text == "New"
    return calls


async def text_of(call):
    return "".join([part.text async for part in call])


async def test_streams_are_balanced(services, stub):
    for fake in services:
        fake.gate.clear()
    calls = await begun(stub, NUM_STREAMS)
    assert all(abs(count - NUM_STREAMS / 3) <= NUM_STREAMS / 3 * 0.1 for count in counts(services)), counts(services)
    for fake in services:
        fake.gate.set()
    assert {await text_of(call) for call in calls} == {" York"}


async def test_what_one_service_has_not_taken_another_one_answers(services, envoy, stub):
    services[0].status, services[0].parts = DRAINING, []
    texts = [await text_of(stub.RunStream(pb.RunRequest())) for _ in range(40)]
    assert set(texts) == {"New York"}
    assert services[0].requests, "or nothing was tried again"
    assert sum(counts(services)) == 40 + len(services[0].requests)


async def test_what_has_begun_is_not_tried_again(services, stub):
    for fake in services:
        fake.status, fake.parts = DRAINING, fake.parts[:1]
    (call,) = await begun(stub, 1)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await text_of(call)
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert ended.value.details() == "the service is draining"
    assert sum(counts(services)) == 1


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED])
async def test_no_other_status_is_tried_again(services, stub, code):
    for fake in services:
        fake.status, fake.parts = failure(code, "ENGINE_FAILED", "no"), []
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await stub.Run(pb.RunRequest())
    assert ended.value.code() is code
    assert sum(counts(services)) == 1


async def test_a_deadline_holds_and_goes_on_to_the_service(services, stub):
    for fake in services:
        fake.gate.clear()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await stub.Run(pb.RunRequest(), timeout=3.0)
    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    (asked,) = [fake for fake in services if fake.requests]
    await asyncio.wait_for(asked.cancelled.wait(), 60)


async def test_a_call_that_is_left_ends_at_the_service(services, stub):
    for fake in services:
        fake.gate.clear()
    (call,) = await begun(stub, 1)
    call.cancel()
    (asked,) = [fake for fake in services if fake.requests]
    await asyncio.wait_for(asked.cancelled.wait(), 60)


async def test_a_session_stays_on_its_service_and_sessions_are_spread(services, stub):
    used = {}
    for number in range(20):
        for fake in services:
            fake.requests.clear()
        for _ in range(4):
            await stub.Run(pb.RunRequest(), metadata=(("x-session-affinity", f"session-{number}"),))
        used[number] = tuple(counts(services))
    assert set(used.values()) == {(4, 0, 0), (0, 4, 0), (0, 0, 4)}


async def test_a_service_that_does_not_serve_gets_nothing_and_its_sessions_go_on(services, envoy, stub):
    session = (("x-session-affinity", "one"),)
    await stub.Run(pb.RunRequest(), metadata=session)
    (owner,) = [fake for fake in services if fake.requests]
    owner.requests.clear()
    await owner.set_serving(False)
    others = [fake.target for fake in services if fake is not owner]
    for cluster in ("services", "services_by_session"):
        await envoy.until_healthy(cluster, others)
    for metadata in (None, session):
        for _ in range(3):
            await stub.Run(pb.RunRequest(), metadata=metadata)
    assert not owner.requests


async def test_more_streams_than_the_limit_are_refused_at_once(services, settings, tmp_path):
    for cluster in settings["static_resources"]["clusters"]:
        cluster["circuit_breakers"]["thresholds"][0]["max_requests"] = 4
    for fake in services:
        fake.gate.clear()
    with contextlib.ExitStack() as stack:
        envoy = await asyncio.to_thread(stack.enter_context, run_envoy(settings, tmp_path))
        async with grpc.aio.insecure_channel(envoy.target) as channel:
            stub = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
            await begun(stub, 4)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Run(pb.RunRequest())
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert sum(counts(services)) == 4


async def test_one_that_can_not_be_reached_is_ejected_and_no_call_is_lost(services, tmp_path):
    settings = read_settings("services")
    targets = [services[0].target, services[1].target]
    lead_to(settings, [*targets, *(f"127.0.0.1:{port}" for port in unused_ports(1))])
    for cluster in settings["static_resources"]["clusters"]:
        cluster.pop("health_checks", None)  # so that it is connections that tell
    with contextlib.ExitStack() as stack:
        envoy = await asyncio.to_thread(stack.enter_context, run_envoy(settings, tmp_path))
        async with grpc.aio.insecure_channel(envoy.target) as channel:
            stub = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
            for _ in range(40):
                await stub.Run(pb.RunRequest())
        await envoy.until_healthy("services", targets)
    assert sum(counts(services)) == 40


async def test_batches_of_an_account_are_kept_by_one_service(services, channel):
    stub = batches_pb2_grpc.BatchServiceStub(channel)
    keepers = set()
    for number in range(12):
        account = (("x-runstream-account", f"account-{number}"),)
        for fake in services:
            fake.metadata = {}
        await stub.CreateBatch(batches_pb2.CreateBatchRequest(model="m"), metadata=account)
        await stub.GetBatch(batches_pb2.GetBatchRequest(batch_id="batch-1"), metadata=account)
        (keeper,) = [index for index, fake in enumerate(services) if fake.metadata]
        keepers.add(keeper)
    assert len(keepers) > 1


async def test_batches_of_a_service_that_does_not_serve_are_not_looked_for_elsewhere(services, envoy, channel):
    stub = batches_pb2_grpc.BatchServiceStub(channel)
    await stub.GetBatch(batches_pb2.GetBatchRequest(batch_id="batch-1"))
    (keeper,) = [fake for fake in services if fake.metadata]
    await keeper.set_serving(False)
    await envoy.until_healthy("services", [fake.target for fake in services if fake is not keeper])
    keeper.status = DRAINING
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await stub.GetBatch(batches_pb2.GetBatchRequest(batch_id="batch-1"))
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_models_are_loaded_at_each_service_itself(channel):
    stub = models_pb2_grpc.ModelServiceStub(channel)
    assert (await stub.GetModel(models_pb2.GetModelRequest(model="m"))).model.id
    for call in (stub.LoadModel(models_pb2.LoadModelRequest()), stub.UnloadModel(models_pb2.UnloadModelRequest())):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call
        assert ended.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert ended.value.details() == "ask the service itself, not the proxy"


async def test_the_access_log_has_the_status_of_grpc_and_no_content(services, envoy, stub):
    for fake in services:
        fake.status = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "full")
    secret = pb.RunRequest(prompt=pb.Prompt(text="a secret"))
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Run(secret, metadata=(("x-runstream-request-id", "i" * 4000), ("authorization", "Bearer secret")))
    (line,) = await envoy.requests(1)
    assert line["grpc_status"] == "ResourceExhausted"
    assert line["path"] == "/runstream.v1.TextGenerationService/Run"
    assert line["upstream"] in {fake.target for fake in services}
    assert line["request_id"] == "i" * 128
    assert "secret" not in str(line)
