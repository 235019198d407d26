"""Whether it lives, whether it can answer, and what it has counted."""

import asyncio

import grpc
import pytest

from tests.support.fake_service import failure, part
from tests.support.running_bridge import PROMPT

STREAM = {**PROMPT, "stream": True}


async def test_healthz_needs_no_service(start_bridge):
    bridge = await start_bridge(service="127.0.0.1:1")
    answer = await bridge.ask("GET", "/healthz")
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')


async def test_readyz_is_ready_when_the_service_serves(bridge, service):
    await service.set_serving(True)
    answer = await bridge.ask("GET", "/readyz")
    assert (answer.status, answer.body) == (200, b'{"status":"ready"}')


async def test_readyz_is_not_ready_when_the_service_does_not_serve(bridge, service):
    await service.set_serving(False)
    answer = await bridge.ask("GET", "/readyz")
    assert answer.status == 503
    assert answer.body == b'{"status":"not ready","reason":"The model service says NOT_SERVING."}'


async def test_readyz_is_not_ready_when_there_is_no_service(start_bridge):
    bridge = await start_bridge(service="127.0.0.1:1")
    answer = await bridge.ask("GET", "/readyz")
    assert answer.status == 503
    assert b"can't be reached" in answer.body


async def metric(bridge, name):
    answer = await bridge.ask("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    values = [line.rsplit(" ", 1)[1] for line in answer.body.decode().splitlines() if line.startswith(f"{name} ")]
    return float(values[0]) if values else 0.0


ROUTE = 'route="/client/v4/accounts/{account_id}/ai/run/{model}"'


async def test_requests_are_counted_by_route_and_status(bridge):
    await bridge.run(PROMPT)
    await bridge.run(STREAM)
    await bridge.run({})
    assert await metric(bridge, f'runstream_bridge_requests_total{{{ROUTE},status="200"}}') == 2
    assert await metric(bridge, f'runstream_bridge_requests_total{{{ROUTE},status="400"}}') == 1
    assert await metric(bridge, f"runstream_bridge_request_duration_seconds_count{{{ROUTE}}}") == 3
    assert await metric(bridge, "runstream_bridge_time_to_first_event_seconds_count") == 1


async def test_paths_that_nobody_serves_share_one_series(bridge):
    await bridge.ask("GET", "/a")
    await bridge.ask("GET", "/b")
    assert await metric(bridge, 'runstream_bridge_requests_total{route="none",status="400"}') == 2


async def test_open_streams_are_counted_while_they_are_open(bridge, service):
    service.gate.clear()
    async with bridge.http.post(bridge.run_url, json=STREAM) as response:
        await response.content.readuntil(b"\n\n")
        assert await metric(bridge, "runstream_bridge_streams_open") == 1
        service.gate.set()
        await response.read()
    assert await metric(bridge, "runstream_bridge_streams_open") == 0


async def test_a_client_that_leaves_is_counted_as_499(bridge, service):
    service.gate.clear()
    async with bridge.http.post(bridge.run_url, json=STREAM) as response:
        await response.content.readuntil(b"\n\n")
        response.close()
    await asyncio.wait_for(service.cancelled.wait(), 60)
    assert await metric(bridge, f'runstream_bridge_requests_total{{{ROUTE},status="499"}}') == 1


async def test_streams_that_fail_in_the_middle_are_counted_by_code(bridge, service):
    service.parts = [part("New")]
    service.status = failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "it died")
    await bridge.run(STREAM)
    assert await metric(bridge, 'runstream_bridge_stream_errors_total{code="5000"}') == 1


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/v1/models", "/nowhere"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
async def test_no_answer_tells_versions_of_what_the_bridge_is_made_of(bridge, method, path):
    assert (await bridge.ask(method, path)).headers["Server"] == "Runstream"


async def test_a_stream_tells_no_versions_either(bridge):
    assert (await bridge.run(STREAM)).headers["Server"] == "Runstream"


async def test_two_bridges_in_one_process_count_for_themselves(start_bridge):
    one, other = await start_bridge(), await start_bridge()
    await one.run(PROMPT)
    assert await metric(other, f'runstream_bridge_requests_total{{{ROUTE},status="200"}}') == 0
