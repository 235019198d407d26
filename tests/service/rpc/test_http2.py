"""Abusive peers of the gRPC port, by their frames: they are cut off or held back, and others are answered."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2

from bench.serving.http2_flood import flood
from service.rpc.http2 import MAX_METADATA_BYTES
from tests.support.running_service import ask, config, run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUN_STREAM = "/runstream.v1.TextGenerationService/RunStream"


async def answered_beside(running, attack, number=20):
    """Has others ask while an attack runs in a thread; their answers, and what the attack returned."""
    attacking = asyncio.create_task(asyncio.to_thread(attack))
    answers = [await running.text_generation.Run(ask(max_tokens=4)) for _ in range(number)]
    return answers, await attacking


@pytest.fixture(params=["reset_calls", "ping", "settings", "endless_headers"])
def abuse(request, running):
    """A flood, for as long as the server takes it."""

    def attack():
        with flood(running.service.port) as peer:
            if request.param == "reset_calls":
                for _ in range(50):
                    peer.reset_calls(RUN_STREAM, ask(max_tokens=16).SerializeToString(), 100)
            elif request.param == "endless_headers":
                peer.endless_headers(500)
            else:
                for _ in range(50):
                    peer.hear()
                    getattr(peer, request.param)(1_000)

    return attack


async def test_others_are_answered_beside_a_flood(running, abuse):
    answers, _ = await answered_beside(running, abuse)
    assert {answer.usage.completion_tokens for answer in answers} == {4}
    assert await running.is_idle()


async def test_metadata_beyond_the_limit_is_refused_and_the_connection_goes_on(running):
    for size, code in ((MAX_METADATA_BYTES - 2_000, grpc.StatusCode.OK), (MAX_METADATA_BYTES, None)):
        call = running.health.Check(health_pb2.HealthCheckRequest(), metadata=(("x-long", "a" * size),))
        assert (await call.code()) is (code or grpc.StatusCode.RESOURCE_EXHAUSTED)


async def test_a_connection_that_speaks_no_http2_ends(running):
    def attack():
        with flood(running.service.port, preface=b"GET / HTTP/1.1\r\n\r\n") as peer:
            return peer.wait_for_end()

    assert b"GET / HTTP/1.1" not in await asyncio.to_thread(attack)


async def test_of_more_connections_than_are_held_each_ends_at_once(catalog_file):
    async with run_service(config(catalog_file, max_connections=3)) as running:
        await running.text_generation.Run(ask(max_tokens=1))
        port = running.service.port

        def crowd():
            with flood(port) as first, flood(port) as second:
                first.hear()
                second.hear()
                with flood(port, preface=b"") as refused:
                    return refused.wait_for_end()

        assert await asyncio.to_thread(crowd) == b""
        assert (await running.text_generation.Run(ask(max_tokens=1))).usage.completion_tokens == 1
