"""Envoy in front of three real services, one of which is killed, drained or stands still while all of them answer."""

import asyncio
import contextlib
import signal
from dataclasses import dataclass

import grpc
import pytest
import pytest_asyncio
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from bridge.config import Config
from tests.support.replicas import run_replicas, start_all
from tests.support.running_bridge import running_bridge
from tests.support.running_envoy import lead_to, read_settings, run_envoy

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUM_STREAMS, NUM_TOKENS = 15, 100
DEMO = "@runstream/demo"


@pytest.fixture(scope="module")
def services():
    with run_replicas() as replicas:
        yield replicas


@pytest_asyncio.fixture(loop_scope="module")
async def envoy(request, services, tmp_path):
    """Envoy. On a busy machine every service is silent for a while: only where one stands still it is soon given up."""
    silence = getattr(request, "param", "60s")
    await asyncio.to_thread(start_all, services)
    settings = read_settings("services")
    lead_to(settings, [service.target for service in services])
    for cluster in settings["static_resources"]["clusters"]:
        http2 = next(iter(cluster["typed_extension_protocol_options"].values()))["explicit_http_config"]
        http2["http2_protocol_options"]["connection_keepalive"] = {"interval": "1s", "timeout": silence}
        for check in cluster.get("health_checks", ()):
            check["timeout"] = silence
    with contextlib.ExitStack() as stack:
        running = await asyncio.to_thread(stack.enter_context, run_envoy(settings, tmp_path))
        await running.until_healthy("services", [service.target for service in services])
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def stub(envoy):
    async with grpc.aio.insecure_channel(envoy.target) as channel:
        yield text_generation_pb2_grpc.TextGenerationServiceStub(channel)


@dataclass
class Stream:
    """A stream that has begun."""

    call: grpc.aio.UnaryStreamCall
    name: str

    async def end(self) -> tuple[int, grpc.aio.AioRpcError | None]:
        """How many tokens came, and the error that ended it."""
        usage = 0
        try:
            async for part in self.call:
                usage = part.usage.completion_tokens
        except grpc.aio.AioRpcError as error:
            return usage, error
        return usage, None


async def begin(stub, name, num_tokens=NUM_TOKENS):
    params = pb.SamplingParams(max_tokens=num_tokens)
    request = pb.RunRequest(model=DEMO, prompt=pb.Prompt(text="word " * 20, raw=True), sampling_params=params)
    call = stub.RunStream(request, metadata=(("x-runstream-request-id", name),), timeout=60)
    await anext(aiter(call))
    return Stream(call, name)


async def begin_all(stub):
    # All at once: one after the other, the first might have ended before the last begins.
    return await asyncio.gather(*(begin(stub, f"stream-{number}") for number in range(NUM_STREAMS)))


async def ends_by_service(envoy, streams):
    """How the streams ended, by the service that answered them."""
    ends = await asyncio.gather(*(stream.end() for stream in streams))
    upstream = {line["request_id"]: line["upstream"] for line in await envoy.requests(len(streams))}
    by_service: dict[str, list[tuple[int, grpc.aio.AioRpcError | None]]] = {}
    for stream, end in zip(streams, ends, strict=True):
        by_service.setdefault(upstream[stream.name], []).append(end)
    return by_service


WHOLE = (NUM_TOKENS, None)


def errors_of(ends):
    """The errors among these ends; the other streams were whole before."""
    assert {end for end in ends if end[1] is None} <= {WHOLE}
    return [error for _, error in ends if error is not None]


async def test_of_a_killed_one_the_streams_end_with_an_error_and_no_other_is_touched(services, envoy, stub):
    streams = await begin_all(stub)
    services[0].send(signal.SIGKILL)
    ends = await ends_by_service(envoy, streams)
    lost = errors_of(ends.pop(services[0].target))
    assert {error.code() for error in lost} == {grpc.StatusCode.INTERNAL}
    assert all("RST_STREAM" in (error.details() or "") for error in lost)
    assert all(set(each) == {WHOLE} for each in ends.values())
    await envoy.until_healthy("services", [service.target for service in services[1:]])
    for number in range(6):
        assert await (await begin(stub, f"after-{number}")).end() == WHOLE
    await asyncio.to_thread(services[0].wait)


async def test_a_drained_one_loses_nothing(services, envoy, stub):
    streams = await begin_all(stub)
    services[1].send(signal.SIGTERM)
    meanwhile = [await begin(stub, f"meanwhile-{number}") for number in range(NUM_STREAMS)]
    ends = await ends_by_service(envoy, streams + meanwhile)
    assert all(set(each) == {WHOLE} for each in ends.values())
    assert await asyncio.to_thread(services[1].wait) == 0


@pytest.mark.parametrize("envoy", ["4s"], indirect=True, ids=str)
async def test_one_that_stands_still_is_ejected_and_comes_back(services, envoy, stub):
    streams = await begin_all(stub)
    services[2].send(signal.SIGSTOP)
    try:
        await envoy.until_healthy("services", [service.target for service in services[:2]])
        for number in range(6):
            assert await (await begin(stub, f"after-{number}")).end() == WHOLE
        ends = await ends_by_service(envoy, streams)
        lost = errors_of(ends.pop(services[2].target))
        assert {error.code() for error in lost} == {grpc.StatusCode.INTERNAL}
        assert all(set(each) == {WHOLE} for each in ends.values())
    finally:
        services[2].send(signal.SIGCONT)
    await envoy.until_healthy("services", [service.target for service in services])


async def test_a_bridge_tells_its_clients_of_a_killed_one(services, envoy):
    body = {"prompt": "word " * 20, "raw": True, "max_tokens": 600, "stream": True}
    async with running_bridge(Config(service=envoy.target)) as bridge:
        response = await bridge.http.post(bridge.run_url, json=body)
        await response.content.readuntil(b"\n\n")
        (busy,) = await envoy.busy("services")
        next(service for service in services if service.target == busy).send(signal.SIGKILL)
        rest = await response.read()
    assert b'"code":3040' in rest
    assert b"The model service ended the call" in rest
    assert b"[DONE]" not in rest
