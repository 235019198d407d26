"""Clients that end their side of the connection first, by the bytes that they send and get."""

import asyncio
import json
import socket
import struct
from contextlib import asynccontextmanager

import pytest

from bridge.http.connection import CONTINUE
from tests.support.fake_service import DEMO, last_part, part

PATH = f"/client/v4/accounts/acc/ai/run/{DEMO}"
PATIENCE_S = 60.0


def request(body, version="1.1", headers=""):
    """The bytes of a run request."""
    data = json.dumps(body).encode()
    return (
        f"POST {PATH} HTTP/{version}\r\nHost: localhost\r\n{headers}Content-Length: {len(data)}\r\n\r\n".encode() + data
    )


WHOLE, STREAM = {"prompt": "a"}, {"prompt": "a", "stream": True}


@asynccontextmanager
async def sent(bridge, data):
    """A connection on which something was sent."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(bridge.url.rsplit(":", 1)[1]))
        try:
            writer.write(data)
            await writer.drain()
            yield reader, writer
        finally:
            writer.close()


async def answer_to_half_closed(bridge, data):
    """Everything that comes to a client that ends its side together with its request."""
    async with sent(bridge, data) as (reader, writer):
        writer.write_eof()
        return await reader.read()


@pytest.mark.parametrize(("body", "end"), [(WHOLE, b'"messages":[]}'), (STREAM, b"data: [DONE]\n\n")])
async def test_a_client_that_half_closes_gets_its_answer(bridge, body, end):
    answer = await answer_to_half_closed(bridge, request(body))
    # Where the service takes longer than until the first look, the client is asked whether it is there.
    assert answer.removeprefix(CONTINUE).startswith(b"HTTP/1.1 200 OK\r\n")
    assert end in answer


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_client_that_half_closes_gets_an_answer_that_is_there_at_once(bridge, version):
    answer = await answer_to_half_closed(bridge, f"GET /healthz HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/{version} 200 OK\r\n".encode())


async def test_a_client_that_half_closes_gets_a_whole_answer_that_takes_its_time(bridge, service):
    service.gate.clear()
    async with sent(bridge, request(WHOLE)) as (reader, writer):
        writer.write_eof()
        assert await reader.readuntil(b"\r\n\r\n") == CONTINUE
        service.gate.set()
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"New York" in answer
    assert not service.cancelled.is_set()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_client_that_half_closes_gets_a_stream_that_has_begun_to_its_end(bridge, service, version):
    service.gate.clear()
    async with sent(bridge, request(STREAM, version)) as (reader, writer):
        await reader.readuntil(b'data: {"response":"New"}\n\n')
        writer.write_eof()
        await reader.readuntil(b": keep-alive\n\n")
        service.gate.set()
        assert b"data: [DONE]\n\n" in await reader.read()
    assert not service.cancelled.is_set()


async def test_requests_that_were_sent_together_are_all_answered_before_the_connection_ends(bridge):
    answer = await answer_to_half_closed(bridge, request(WHOLE) * 3)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3


@pytest.mark.parametrize("body", [WHOLE, STREAM])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_client_that_has_left_cancels_its_call(bridge, service, body, version, is_reset):
    service.gate.clear()
    service.parts = [part("New"), part(" York"), last_part()]
    async with sent(bridge, request(body, version)) as (_, writer):
        await service.started.wait()
        if is_reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    async with asyncio.timeout(PATIENCE_S):
        await service.cancelled.wait()


async def test_a_client_that_leaves_long_after_it_has_half_closed_cancels_its_call(bridge, service):
    service.gate.clear()
    async with sent(bridge, request(WHOLE)) as (reader, writer):
        writer.write_eof()
        await reader.readuntil(b"\r\n\r\n")
        assert not service.cancelled.is_set()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    async with asyncio.timeout(PATIENCE_S):
        await service.cancelled.wait()


async def test_a_body_whose_rest_will_never_come_is_not_waited_for(bridge, service):
    data = request(WHOLE)
    assert await answer_to_half_closed(bridge, data[:-1]) == b""
    assert not service.requests


async def test_a_connection_without_a_request_ends_with_its_client(bridge):
    assert await answer_to_half_closed(bridge, b"") == b""
    async with sent(bridge, request(WHOLE)) as (reader, writer):
        await reader.readuntil(b"New York")
        writer.write_eof()
        await reader.read()


@pytest.mark.parametrize("connection", ["Connection: keep-alive\r\n", "Connection: close\r\n", ""])
async def test_a_stream_over_http_1_0_ends_with_its_connection(bridge, connection):
    async with sent(bridge, request(STREAM, "1.0", connection)) as (reader, _):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert body.endswith(b"data: [DONE]\n\n")
    assert b"keep-alive" not in head.lower()


async def test_a_whole_answer_over_http_1_0_leaves_the_connection_open_if_asked_to(bridge):
    data = request(WHOLE, "1.0", "Connection: keep-alive\r\n")
    async with sent(bridge, data) as (reader, writer):
        for _ in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Connection: keep-alive\r\n" in head
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(data)


async def test_a_stream_that_fails_over_http_1_0_ends_too(start_bridge, service):
    bridge = await start_bridge(keep_alive_s=0.01)
    service.parts = [part("New")]
    async with sent(bridge, request(STREAM, "1.0", "Connection: keep-alive\r\n")) as (reader, _):
        assert b'"errors":[{"code":5000' in await reader.read()


async def test_over_http_1_0_where_nothing_can_be_asked_whoever_half_closes_before_an_answer_has_left(bridge, service):
    service.gate.clear()
    assert await answer_to_half_closed(bridge, request(WHOLE, "1.0")) == b""
    async with asyncio.timeout(PATIENCE_S):
        await service.cancelled.wait()
