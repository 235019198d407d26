"""What the bridge tells Prometheus."""

import asyncio

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from accounts.tokens import Token, hash_token
from tests.support.fake_service import failure
from tests.support.running_bridge import PROMPT


async def samples(bridge):
    """All samples by name and sorted label values."""
    page = (await bridge.ask("GET", "/metrics")).body.decode()
    found = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.values())): sample.value for sample in found}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL"),
        (grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY"),
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    ],
)
async def test_a_refusal_is_counted_by_its_reason(bridge, service, status, reason):
    service.status = failure(status, reason, "x")
    await bridge.run(PROMPT)
    assert (await samples(bridge))["runstream_bridge_request_failure_total", reason] == 1


async def test_what_reaches_no_model_is_counted_by_its_status(start_bridge):
    bridge = await start_bridge((Token("acc", hash_token("right"), "laptop"),))
    await bridge.run(PROMPT)
    await bridge.ask("GET", "/nowhere")
    await bridge.ask("DELETE", "/v1/models")
    metrics = await samples(bridge)
    failures = {key[1]: value for key, value in metrics.items() if key[0] == "runstream_bridge_request_failure_total"}
    assert failures == {"BAD_REQUEST": 2, "METHOD_NOT_ALLOWED": 1}


async def test_a_request_that_is_answered_is_no_failure(bridge):
    await bridge.run(PROMPT)
    assert not [key for key in await samples(bridge) if key[0] == "runstream_bridge_request_failure_total"]


async def test_what_runs_is_told(bridge):
    (build,) = [key for key in await samples(bridge) if key[0] == "runstream_bridge_build_info"]
    assert grpc.__version__ in build


async def test_open_connections_are_counted(bridge):
    name = ("runstream_bridge_connections_open",)
    async with asyncio.timeout(120):
        while (await samples(bridge))[name] != 1:
            pass
    host, port = bridge.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    async with asyncio.timeout(120):
        while (await samples(bridge))[name] != 2:
            pass
    writer.close()
