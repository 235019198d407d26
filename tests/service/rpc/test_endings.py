"""Every way a call ends before its completion does: the client sees one error, the engine is free of it."""

import asyncio
import contextlib
import os
import signal

import grpc
import pytest
from grpc_health.v1 import health_pb2
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from service.rpc.calls import Calls
from tests.support.begun_streams import ENDLESS, Stream, begun_stream, error_of
from tests.support.engine_states import until
from tests.support.http2 import framed, unread
from tests.support.running_service import ask, config, error_info, run_edge, run_service
from tests.support.scripted_engine import scripted_engine

pytestmark = pytest.mark.asyncio(loop_scope="session")


RUN_STREAM = "/runstream.v1.TextGenerationService/RunStream"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def last_part(call: Stream) -> pb.RunStreamResponse:
    """Reads a stream to its end."""
    last = pb.RunStreamResponse()
    while isinstance(part := await call.read(), pb.RunStreamResponse):
        last = part
    return last


async def test_a_stream_that_its_client_cancels_frees_its_blocks(running):
    call = await begun_stream(running)
    call.cancel()
    assert await running.is_idle()


async def test_a_unary_call_that_its_client_cancels_frees_its_blocks(running):
    call = running.text_generation.Run(ask(max_tokens=ENDLESS))
    await until(running.engine, lambda: running.engine.num_running == 1)
    call.cancel()
    assert await running.is_idle()


async def test_a_client_that_is_gone_frees_its_blocks(running):
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{running.service.port}")
    await text_generation_pb2_grpc.TextGenerationServiceStub(channel).RunStream(ask(max_tokens=ENDLESS)).read()
    await channel.close()
    assert await running.is_idle()


async def test_the_clients_own_deadline_ends_the_call(running):
    error = await error_of(running.text_generation.RunStream(ask(max_tokens=ENDLESS), timeout=1.0))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert await running.is_idle()


@pytest.mark.parametrize("is_the_clients", [True, False])
async def test_a_deadline_ends_a_call_that_still_waits(catalog_file, is_the_clients):
    # A service of its own: one that has measured its rate refuses the call instead of letting it wait.
    async with run_service(config(catalog_file, engine_command=scripted_engine(1000))) as running:
        engine = running.engine
        ahead = [running.text_generation.RunStream(ask(max_tokens=ENDLESS)) for _ in range(engine.config.max_num_seqs)]
        await until(engine, lambda: engine.num_running == len(ahead))
        async with run_edge(running, Calls(default_timeout_s=0.5)) as edge:
            stubs, timeout_s = (running, 0.5) if is_the_clients else (edge, None)
            waiting = asyncio.create_task(error_of(stubs.text_generation.RunStream(ask(), timeout=timeout_s)))
            await until(engine, lambda: engine.stats.num_waiting == 1 or waiting.done())
            assert (await waiting).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(engine, lambda: engine.stats.num_waiting == 0)
        assert engine.stats.num_running == len(ahead), "it is gone from the engine's queue, and nobody else is"
        for call in ahead:
            call.cancel()
        assert await running.is_idle()


async def test_cancelling_one_stream_leaves_the_others(running):
    cancelled = await begun_stream(running)
    other = running.text_generation.Run(ask(max_tokens=50))
    cancelled.cancel()
    assert (await other).usage.completion_tokens == 50
    assert await running.is_idle()


async def test_a_call_without_a_deadline_gets_the_services_own(running):
    async with run_edge(running, Calls(default_timeout_s=0.5)) as edge:
        error = await error_of(edge.text_generation.RunStream(ask(max_tokens=ENDLESS)))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error_info(error).reason == "DEADLINE_EXCEEDED"
    assert await running.is_idle()


async def test_a_client_that_stops_reading_does_not_hold_the_engine_for_ever(running):
    async with run_edge(running, Calls(default_timeout_s=1.0)) as edge:
        call = await begun_stream(edge)
        assert await running.is_idle()
        call.cancel()


async def test_a_client_that_takes_nothing_frees_its_blocks_once_the_time_is_over(running):
    async with run_edge(running, Calls(default_timeout_s=3600), write_timeout_s=0.2) as edge:
        taking_none = unread(edge.port, RUN_STREAM, framed(ask(max_tokens=ENDLESS).SerializeToString()))
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, taking_none)
            assert await running.is_idle()


async def test_a_client_that_reads_slower_than_the_engine_is_waited_for(running):
    async with run_edge(running, Calls(default_timeout_s=60), write_timeout_s=0.5) as edge:
        call = await begun_stream(edge, max_tokens=1000)
        assert (await last_part(call)).usage.completion_tokens == 1000


async def test_draining_refuses_new_calls_and_lets_running_ones_end(running):
    calls = Calls(default_timeout_s=60)
    async with run_edge(running, calls) as edge:
        call = await begun_stream(edge, max_tokens=400)
        draining = asyncio.create_task(calls.drain(timeout_s=60))
        refused = await error_of(edge.text_generation.RunStream(ask()))
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert error_info(refused).reason == "MODEL_NOT_READY"
        assert (await last_part(call)).usage.completion_tokens == 400
        await draining


async def test_calls_that_outlive_the_drain_end_with_the_reason(catalog_file):
    async with run_service(config(catalog_file, engine_command=scripted_engine(1000))) as running:
        call = await begun_stream(running)
        engine_pid = running.engine_pid
        stopping = asyncio.create_task(running.service.stop(drain_timeout_s=3600))
        assert (await running.health.Check(health_pb2.HealthCheckRequest(service=""))).status == NOT_SERVING
        await running.service.calls.drain(timeout_s=0)
        error = await error_of(call)
        await stopping
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error_info(error).reason == "MODEL_NOT_READY"
    with pytest.raises(ProcessLookupError):
        os.kill(engine_pid, 0)


async def test_an_engine_that_is_killed_ends_its_streams_and_comes_back(catalog_file):
    async with run_service(config(catalog_file, engine_command=scripted_engine(1000))) as running:
        watch = running.health.Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await watch.read()).status == SERVING
        calls = [await begun_stream(running) for _ in range(3)]
        os.kill(running.engine_pid, signal.SIGKILL)
        errors = [await error_of(call) for call in calls]
        assert {error_info(error).reason for error in errors} == {"ENGINE_FAILED"}
        assert (await watch.read()).status == NOT_SERVING
        assert (await watch.read()).status == SERVING
        assert (await running.text_generation.Run(ask(max_tokens=3))).usage.completion_tokens == 3
