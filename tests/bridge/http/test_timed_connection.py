"""Whoever does not go on, by sending or by reading, is not waited for without end; an answer says so where it can."""

import asyncio
import re
import socket
import struct

import pytest

from bridge.http.timed_connection import MAX_HEAD_BYTES
from tests.support.fake_service import last_part, part
from tests.support.raw_http import PATIENCE_S, connected, get, post, rest_of
from tests.support.running_bridge import PROMPT

STREAM = {**PROMPT, "stream": True}
# With the line end before it: a `0`, too, that ends an id in the head stands before an empty line.
LAST_CHUNK = b"\r\n0\r\n\r\n"
DEADLINE_S = 2.0  # within it the first part has to come
LONG = [part("x" * 100_000)] * 200 + [last_part()]


async def ended(bridge, reason):
    """How many connections were refused or ended for a reason."""
    page = (await bridge.ask("GET", "/metrics")).body.decode()
    lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    return float(lines.get(f'runstream_bridge_connections_ended_total{{reason="{reason}"}}', 0))


async def test_a_silent_connection_ends_without_an_answer(start_bridge):
    bridge = await start_bridge(head_timeout_s=0.1)
    async with connected(bridge) as (reader, _):
        assert await rest_of(reader) == b""
    assert await ended(bridge, "silent") == 1


@pytest.mark.parametrize("sent", [b"G", post()[:40], post()[:-60]])
async def test_a_head_that_does_not_end_gets_408(start_bridge, sent):
    bridge = await start_bridge(head_timeout_s=1.0)
    async with connected(bridge, sent) as (reader, _):
        answer = await rest_of(reader)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\nServer: Runstream\r\nConnection: close\r\n")
    assert answer.endswith(b"\r\n\r\nthe head of the request did not come within 1 s\n")
    assert await ended(bridge, "slow_head") == 1


async def test_a_head_that_comes_byte_by_byte_gets_no_more_time(start_bridge):
    bridge = await start_bridge(head_timeout_s=1.0)
    async with connected(bridge, post()[:40]) as (reader, writer):
        answering = asyncio.create_task(rest_of(reader))
        while not answering.done():
            writer.write(b"a")
            await asyncio.wait({answering}, timeout=0.01)
    assert (await answering).startswith(b"HTTP/1.1 408 ")


async def test_a_head_after_an_answer_has_the_same_time(start_bridge):
    bridge = await start_bridge(head_timeout_s=1.0)
    async with connected(bridge, get()) as (reader, writer):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        assert b"HTTP/1.1 408 " in await rest_of(reader)


async def test_a_request_in_time_is_waited_for_no_more(start_bridge, service):
    bridge = await start_bridge(head_timeout_s=1.0)
    service.gate.clear()
    async with connected(bridge, post()) as (reader, _):
        await service.started.wait()
        async with connected(bridge) as (silent, _):
            await rest_of(silent)  # as long as a head would have had
        service.gate.set()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("is_chunked", [True, False])
async def test_a_body_that_does_not_come_gets_408_and_the_connection_ends(start_bridge, service, is_chunked):
    bridge = await start_bridge(body_timeout_s=1.0)
    part_of_it = post()[:-20]
    if is_chunked:
        part_of_it = re.sub(rb"Content-Length: \d+\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nff\r\n", part_of_it)
    async with connected(bridge, part_of_it) as (reader, _):
        answer = await rest_of(reader)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"AiError: Request timeout: the body did not come within 1 s (" in answer
    assert not service.requests
    assert await ended(bridge, "slow_body") == 1


async def test_a_body_that_is_said_to_be_too_long_is_refused_before_it_comes(bridge):
    head = re.sub(rb"(?<=Content-Length: )\d+", b"99999999", post())
    async with connected(bridge, head) as (reader, writer):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
        # Its end alone would leave the bridge waiting for the rest of the body, for some seconds.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def test_a_connection_that_nobody_uses_any_more_ends(start_bridge):
    bridge = await start_bridge(idle_timeout_s=0.1)
    async with connected(bridge, get()) as (reader, _):
        assert (await rest_of(reader)).startswith(b"HTTP/1.1 200 ")


async def test_a_stream_that_a_deadline_ends_leaves_a_connection_that_can_be_used(start_bridge, service):
    bridge = await start_bridge(deadline_s=DEADLINE_S)
    service.gate.clear()
    async with connected(bridge, post(STREAM)) as (reader, writer):
        assert b'"code":3046' in await reader.readuntil(LAST_CHUNK)
        writer.write(get())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_a_stream_that_a_deadline_ends_leaves_a_connection_that_ends(start_bridge, service):
    bridge = await start_bridge(deadline_s=DEADLINE_S, idle_timeout_s=0.1)
    service.gate.clear()
    async with connected(bridge, post(STREAM)) as (reader, _):
        answer = await rest_of(reader)
    assert b'"code":3046' in answer
    assert answer.endswith(LAST_CHUNK)


@pytest.mark.parametrize("length", [MAX_HEAD_BYTES, 10 * MAX_HEAD_BYTES])
async def test_a_head_of_many_headers_is_too_long(bridge, length):
    line = b"X: " + b"a" * 8_000 + b"\r\n"
    async with connected(bridge, b"GET / HTTP/1.1\r\n" + line * (length // len(line) + 1)) as (reader, _):
        assert (await rest_of(reader)).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert await ended(bridge, "long_head") == 1


async def test_requests_sent_ahead_are_read_only_as_far_as_they_are_answered(bridge, service):
    service.gate.clear()
    async with connected(bridge, post() + get() * 600_000) as (_, writer):
        await service.started.wait()
        async with connected(bridge, get()) as (other, _):
            assert (await other.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert writer.transport.get_write_buffer_size() > 10_000_000
        writer.transport.abort()


async def test_a_reader_that_stops_ends_its_stream_and_cancels_the_call(start_bridge, service):
    bridge = await start_bridge(write_timeout_s=0.1)
    service.parts = LONG
    async with connected(bridge, post(STREAM), receive_buffer=4096) as (reader, _):
        async with asyncio.timeout(PATIENCE_S):
            await service.cancelled.wait()
        assert b"[DONE]" not in await rest_of(reader)
    assert await ended(bridge, "slow_reader") == 1


async def test_a_stopped_reader_is_named_in_the_log(start_bridge, service, caplog):
    caplog.set_level("INFO")
    bridge = await start_bridge(write_timeout_s=0.1)
    service.parts = LONG
    async with connected(bridge, post(STREAM), receive_buffer=4096) as (reader, _):
        await service.cancelled.wait()
        await rest_of(reader)
    assert "a client took next to nothing of its answer for 0.1 s" in caplog.text
    assert "error='SLOW_READER: 0.1 s'" in caplog.text


@pytest.mark.parametrize("headers", ["", "Connection: close\r\n"])
async def test_a_reader_of_a_whole_answer_that_stops_ends_its_connection(start_bridge, service, headers):
    bridge = await start_bridge(write_timeout_s=0.1)
    service.answer.text = "x" * 15_000_000
    async with connected(bridge, post(headers=headers), receive_buffer=4096) as (reader, _):
        while not await ended(bridge, "slow_reader"):
            pass
        assert len(await rest_of(reader)) < 15_000_000


async def test_a_reader_of_a_large_answer_has_the_time_that_it_needs(start_bridge, service):
    bridge = await start_bridge(write_timeout_s=20.0)
    service.answer.text = "x" * 8_000_000
    async with connected(bridge, post(headers="Connection: close\r\n"), receive_buffer=65_536) as (reader, _):
        assert len(await rest_of(reader)) > 8_000_000
    assert not await ended(bridge, "slow_reader")
