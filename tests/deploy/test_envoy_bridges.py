"""Envoy in front of two bridges, as deploy/envoy/bridges.yaml has it."""

import asyncio
import contextlib

import grpc
import httpx2
import pytest

from bridge.config import Config
from tests.support.fake_service import DEMO, failure, several_running
from tests.support.running_bridge import PROMPT, running_bridge
from tests.support.running_envoy import lead_to, read_settings, run_envoy

RUN = f"/client/v4/accounts/acc/ai/run/{DEMO}"
STREAM = {**PROMPT, "stream": True}
FIRST = b'data: {"response":"New"}\n\n'
PATIENCE_S = 120.0


@pytest.fixture
async def services():
    """A service behind each bridge."""
    async with several_running(2) as fakes:
        yield fakes


@pytest.fixture
async def bridges(services):
    async with contextlib.AsyncExitStack() as stack:
        configs = [Config(service=service.target, shutdown_grace_s=PATIENCE_S) for service in services]
        yield [await stack.enter_async_context(running_bridge(config)) for config in configs]


def target_of(bridge):
    return bridge.url.removeprefix("http://")


@pytest.fixture
async def envoy(bridges, tmp_path):
    settings = read_settings("bridges")
    lead_to(settings, [target_of(bridge) for bridge in bridges])
    with contextlib.ExitStack() as stack:
        yield await asyncio.to_thread(stack.enter_context, run_envoy(settings, tmp_path))


def client(envoy, is_http2=False):
    return httpx2.AsyncClient(
        base_url=f"http://{envoy.target}", http1=not is_http2, http2=is_http2, timeout=PATIENCE_S, trust_env=False
    )


@pytest.fixture
async def http(envoy):
    async with client(envoy) as http:
        yield http


@pytest.mark.parametrize("is_http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
async def test_events_come_one_by_one(services, envoy, is_http2):
    for service in services:
        service.gate.clear()
    async with client(envoy, is_http2) as http, http.stream("POST", RUN, json=STREAM) as response:
        assert response.http_version == ("HTTP/2" if is_http2 else "HTTP/1.1")
        events = response.aiter_raw()
        got = b""
        while not got.endswith(FIRST):
            got += await anext(events)
        for service in services:
            service.gate.set()
        rest = b"".join([piece async for piece in events])
    assert rest.startswith(b'data: {"response":" York"}\n\n')
    assert rest.endswith(b"data: [DONE]\n\n")


async def test_a_client_that_leaves_ends_its_generation(services, http):
    for service in services:
        service.gate.clear()
    async with http.stream("POST", RUN, json=STREAM) as response:
        await anext(response.aiter_raw())
    (asked,) = [service for service in services if service.requests]
    await asyncio.wait_for(asked.cancelled.wait(), PATIENCE_S)


async def until_asked(service, number):
    """Returns once so many requests have come."""
    while len(service.requests) < number:
        service.started.clear()
        await service.started.wait()


async def test_a_bridge_that_ends_loses_nothing(services, bridges, http):
    for service in services:
        service.gate.clear()
    async with contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(http.stream("POST", RUN, json=STREAM)) for _ in range(12)]
        assert all(service.requests for service in services), "each bridge has some"
        ending = asyncio.create_task(bridges[0].runner.cleanup())
        arriving = asyncio.create_task(until_asked(services[1], len(services[1].requests) + 20))
        answers = [asyncio.create_task(http.post(RUN, json=PROMPT)) for _ in range(20)]
        # With the other bridge before a stream ends: over the stream's connection one could still reach the first,
        # which closes it just then.
        await asyncio.wait({arriving, *answers}, return_when=asyncio.FIRST_COMPLETED)
        arriving.cancel()
        for service in services:
            service.gate.set()
        got = [await answer for answer in answers]
        assert {answer.status_code for answer in got} == {200}, {answer.text for answer in got}
        for stream in streams:
            assert (await stream.aread()).endswith(b"data: [DONE]\n\n")
        await ending


async def test_what_one_bridge_can_not_have_answered_another_one_answers(services, http):
    services[0].status = failure(grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", "loading", retry_after_s=1)
    assert {(await http.post(RUN, json=PROMPT)).status_code for _ in range(30)} == {200}
    assert services[0].requests, "or nothing was tried again"


async def test_a_bridge_without_a_service_gets_nothing(services, bridges, envoy, http):
    await services[0].set_serving(False)
    await envoy.until_healthy("bridges", [target_of(bridges[1])])
    assert {(await http.post(RUN, json=PROMPT)).status_code for _ in range(6)} == {200}
    assert not services[0].requests


async def test_where_none_is_ready_the_bridges_own_error_is_told(services, bridges, envoy, http):
    for service in services:
        await service.set_serving(False)
        service.status = failure(grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", "loading", retry_after_s=1)
    await envoy.until_healthy("bridges", [])
    answer = await http.post(RUN, json=PROMPT)
    assert answer.status_code == 503
    assert answer.json()["errors"][0]["code"] == 3040
    assert answer.headers["Retry-After"] == "1"


async def test_a_session_is_told_to_the_service(services, http):
    await http.post(RUN, json=PROMPT, headers={"x-session-affinity": "a session"})
    (asked,) = [service for service in services if service.requests]
    assert asked.metadata["x-session-affinity"] == "a session"


async def test_metrics_are_for_the_operator(http):
    assert (await http.get("/metrics")).status_code == 404


async def test_another_name_is_not_answered(http):
    assert (await http.post(RUN, json=PROMPT, headers={"Host": "rebound.example"})).status_code == 404


async def test_the_access_log_has_no_query_and_no_content(envoy, http):
    await http.post(f"{RUN}?secret=1", json={"prompt": "a secret"}, headers={"Authorization": "Bearer secret"})
    (line,) = await envoy.requests(1)
    assert line["status"] == 200
    assert line["path"] == RUN
    assert "secret" not in str(line)
