"""`--edge-workers N`: gRPC in several processes, before the real handlers."""

import asyncio
import contextlib
import os
import signal
from typing import Any

import grpc
import psutil
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from runstream.v1 import batches_pb2, models_pb2

from tests.support.begun_streams import ENDLESS
from tests.support.engine_states import until
from tests.support.http2 import framed, unread
from tests.support.running_service import MODEL, RunningService, Stubs, ask, config, error_info, run_service
from tests.support.scripted_engine import scripted_engine

NUM_WORKERS = 2
RUN_STREAM = "/runstream.v1.TextGenerationService/RunStream"

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def workers(catalog_file):
    async with run_service(config(catalog_file, edge_workers=NUM_WORKERS, batch_db="none")) as service:
        yield service


@contextlib.asynccontextmanager
async def channels(service, number):
    """Each with a connection of its own."""
    target = f"127.0.0.1:{service.service.port}"
    opened = [grpc.aio.insecure_channel(target, (("grpc.use_local_subchannel_pool", 1),)) for _ in range(number)]
    try:
        yield [Stubs(channel) for channel in opened]
    finally:
        await asyncio.gather(*(channel.close() for channel in opened))


def edge_workers_of(service) -> Any:
    return service.service.edge_workers


def pids_of(service):
    return edge_workers_of(service).pids


async def test_a_stream_and_an_answer_are_those_of_one_process(workers, running: RunningService):
    request = ask(max_tokens=24)
    parts = [part.text async for part in workers.text_generation.RunStream(request)]
    expected = await running.text_generation.Run(request)
    assert "".join(parts) == expected.text
    answer = await workers.text_generation.Run(request)
    assert answer.text == expected.text
    assert answer.usage.completion_tokens == expected.usage.completion_tokens == 24


async def test_all_other_services_answer(workers):
    health = await workers.health.Check(health_pb2.HealthCheckRequest(service=MODEL))
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    models = await workers.models.ListModels(models_pb2.ListModelsRequest())
    assert MODEL in [model.id for model in models.models]
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    answers = [answer async for answer in workers.reflection.ServerReflectionInfo(iter([question, question]))]
    assert len(answers) == 2
    assert answers[0].list_services_response.service


async def test_a_watch_of_health_goes_on_until_it_is_left(workers):
    watch = workers.health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


async def test_errors_keep_their_status_and_details(workers):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await workers.text_generation.Run(ask(model="@no/such"))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert error_info(raised.value).reason == "MODEL_NOT_FOUND"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await workers.batches.GetBatch(batches_pb2.GetBatchRequest())
    assert error_info(raised.value).domain == "runstream"


async def test_metadata_goes_both_ways(workers):
    call = workers.text_generation.Run(ask(max_tokens=2), metadata=(("x-runstream-request-id", "mine"),))
    assert (await call).id == "mine"
    told = dict(await call.initial_metadata())
    assert told["x-runstream-request-id"] == "mine"
    assert told["x-runstream-model"] == MODEL


async def test_a_method_that_nobody_has_is_unimplemented(workers):
    call = workers.channel.unary_unary("/runstream.v1.TextGenerationService/Nothing")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call(b"")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_that_is_none_is_refused(workers):
    call = workers.channel.unary_unary("/runstream.v1.TextGenerationService/Run")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call(b"\xff\xff")
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_call_that_is_left_ends_in_the_engine(workers):
    call = workers.text_generation.RunStream(ask(max_tokens=20_000))
    await call.read()
    engine = workers.model.engine
    assert engine.num_running == 1
    call.cancel()
    await until(engine, lambda: not engine.num_running)


async def test_the_callers_deadline_ends_the_call_in_the_engine(workers):
    call = workers.text_generation.RunStream(ask(max_tokens=20_000), timeout=0.5)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in call:
            pass
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    engine = workers.model.engine
    await until(engine, lambda: not engine.num_running)


async def test_many_calls_at_once_over_many_connections_get_each_their_own_answer(workers, running: RunningService):
    requests = [ask(f"Question {number}", max_tokens=8) for number in range(16)]
    expected = [(await running.text_generation.Run(request)).text for request in requests]
    async with channels(workers, 8) as stubs:
        calls = [stubs[place % 8].text_generation.Run(request) for place, request in enumerate(requests)]
        answers = [answer.text for answer in await asyncio.gather(*calls)]
    assert answers == expected


async def test_one_that_is_killed_takes_its_own_calls_and_comes_back(catalog_file):
    scripted = config(catalog_file, edge_workers=NUM_WORKERS, engine_command=scripted_engine(1000))
    async with run_service(scripted) as service, channels(service, 12) as stubs:
        calls = [each.text_generation.RunStream(ask(max_tokens=400)) for each in stubs]
        await asyncio.gather(*(call.read() for call in calls))
        killed = pids_of(service)[0]
        num_its_own = num_clients_of(killed, service.service.port)
        os.kill(killed, signal.SIGKILL)
        ends = await asyncio.gather(*(code_of(call) for call in calls))
        assert ends.count(grpc.StatusCode.UNAVAILABLE) == num_its_own
        assert ends.count(grpc.StatusCode.OK) == len(calls) - num_its_own
        engine: Any = service.model.engine
        await until(engine, lambda: not engine.num_running)
        await edge_workers_of(service).are_whole.wait()
        assert killed not in pids_of(service)
        assert len(pids_of(service)) == NUM_WORKERS
        answers = await asyncio.gather(*(each.text_generation.Run(ask(max_tokens=2)) for each in stubs))
        assert len(answers) == len(stubs)


def num_clients_of(pid, port):
    """How many connections to the port a worker has."""
    open_ones = [each for each in psutil.Process(pid).net_connections() if each.status == psutil.CONN_ESTABLISHED]
    return sum(each.laddr.port == port for each in open_ones)


async def code_of(call):
    """The status with which a stream ends."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        while await call.read() is not grpc.aio.EOF:
            pass
    return await call.code()


async def test_a_client_that_takes_nothing_frees_its_blocks_once_the_time_is_over(catalog_file):
    settings = config(
        catalog_file, edge_workers=NUM_WORKERS, write_timeout_s=0.2, engine_command=scripted_engine(10_000)
    )
    async with run_service(settings) as service:
        request = framed(ask(max_tokens=ENDLESS).SerializeToString())
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, unread(service.service.port, RUN_STREAM, request))
            assert await service.is_idle()
