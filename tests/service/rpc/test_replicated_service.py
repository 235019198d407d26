"""A service whose model has two engines: what clients see of it, in health and in peace, and of the death of one."""

import asyncio
import os
import signal

import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2
from runstream.v1 import models_pb2

from service.engine_client.replicas import Replicas
from tests.support.begun_streams import begun_stream, error_of
from tests.support.engine_states import until
from tests.support.metric_samples import samples
from tests.support.running_service import MODEL, RunningService, ask, config, error_info, run_service
from tests.support.service_process import is_running

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def both(catalog_file, unused_tcp_port_factory):
    """A service with two engines; the last test unloads them."""
    settings = config(catalog_file, devices=("cpu", "cpu"), metrics_port=unused_tcp_port_factory())
    async with run_service(settings) as running:
        yield running


def engines_of(running: RunningService) -> Replicas:
    replicas = running.model.engine
    assert isinstance(replicas, Replicas)
    return replicas


async def told(running: RunningService) -> models_pb2.Model:
    return (await running.models.GetModel(models_pb2.GetModelRequest(model=MODEL))).model


async def answer(running: RunningService, number: int) -> str:
    """What a request of its own is answered, alone or not."""
    return (await running.text_generation.Run(ask(f"{number} is my number", max_tokens=20))).text


async def test_a_crowd_on_two_engines_gets_what_each_gets_alone(both, running):
    crowd = await asyncio.gather(*(answer(both, number) for number in range(16)))
    assert crowd == [await answer(running, number) for number in range(16)]
    assert all(engine.stats.outputs or engine.stats.aborted for engine in engines_of(both).engines), "each answered"


async def test_killing_one_engine_in_mid_stream_leaves_the_other_and_the_service_as_they_were(both):
    first, second = engines_of(both).engines
    request = ask("Where is it?", max_tokens=5000)
    undisturbed = (await both.text_generation.Run(request)).text
    request.cache_salt = "so that no engine knows it"
    doomed = await begun_stream(both)
    victim, other = (first, second) if first.num_running else (second, first)
    stream = both.text_generation.Run(request)
    await until(other, lambda: other.num_running == 1)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    assert error_info(await error_of(doomed)).reason == "ENGINE_FAILED"
    assert (await both.text_generation.Run(ask(max_tokens=3))).usage.completion_tokens == 3
    assert (victim.is_serving, other.num_running) == (False, 1), "answered at once, beside the stream"
    for service in ("", MODEL):
        health = await both.health.Check(health_pb2.HealthCheckRequest(service=service))
        assert health.status == SERVING
    model = await told(both)
    assert model.state == models_pb2.MODEL_STATE_READY
    assert " on cpu: " in model.state_detail, "that it is started again, or how far it is with its weights"
    values = await samples(both.service.metrics_port)
    assert values["runstream_num_engines_serving", MODEL] == 1
    assert 0 < values["runstream_kv_cache_usage_perc", MODEL] < 1, "of the engine that serves"
    assert (await stream).text == undisturbed
    await victim.wait_until_ready()
    assert (await told(both)).state_detail == ""
    assert (await samples(both.service.metrics_port))["runstream_engine_restarts_total", MODEL] == 1


async def test_unloading_a_model_ends_all_its_engines(both):
    pids = [engine.pid for engine in engines_of(both).engines]
    assert both.model.need.num_engines == 2
    await both.models.UnloadModel(models_pb2.UnloadModelRequest(model=MODEL))
    assert (await told(both)).state == models_pb2.MODEL_STATE_UNLOADED
    assert not any(is_running(pid) for pid in pids if pid)
