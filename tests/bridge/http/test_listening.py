"""More connections than are held: those that ask nothing give way, others are told at once that there is no room."""

import asyncio
import contextlib
import ssl

from bridge.app import build_app
from bridge.config import Config
from bridge.http.connection import Runner
from bridge.http.listening import Site, bind
from tests.support.certificates import write_certificates
from tests.support.fake_service import last_part, part
from tests.support.raw_http import connected, get, post, rest_of
from tests.support.running_bridge import PROMPT

STREAM = {**PROMPT, "stream": True}


async def test_silent_connections_give_way_to_requests(start_bridge):
    bridge = await start_bridge(max_connections=8)
    async with contextlib.AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(connected(bridge)) for _ in range(40)]
        assert (await bridge.run(PROMPT)).status == 200
        for reader, _ in silent[:30]:
            assert await rest_of(reader) == b""
        assert len(bridge.runner.open_connections) <= 8


async def test_slow_heads_give_way_too(start_bridge):
    bridge = await start_bridge(max_connections=4)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(connected(bridge, b"POST /v1"))
        assert (await bridge.run(PROMPT)).status == 200


async def test_where_all_are_answered_others_are_told_at_once(start_bridge, service):
    bridge = await start_bridge(max_connections=2)
    service.gate.clear()
    service.parts = [part("New"), last_part()]
    async with connected(bridge, post(STREAM)) as (first, _), connected(bridge, post(STREAM)) as (second, _):
        for reader in (first, second):
            await reader.readuntil(b"New")
        async with connected(bridge, post(STREAM)) as (refused, _):
            answer = await rest_of(refused)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nRetry-After: 2\r\n" in answer
        service.gate.set()
        assert b"[DONE]" in await first.readuntil(b"\r\n0\r\n\r\n")
    assert (await bridge.run(PROMPT)).status == 200


async def test_a_crowd_that_is_refused_hears_so_or_is_hung_up_on(start_bridge, service):
    bridge = await start_bridge(max_connections=1)
    service.gate.clear()

    async def ask() -> bytes:
        async with connected(bridge, post()) as (reader, _):
            return await rest_of(reader)

    async with connected(bridge, post()) as (_, _):
        await service.started.wait()
        answers = await asyncio.gather(*(ask() for _ in range(100)))
        service.gate.set()
    assert all(answer.startswith(b"HTTP/1.1 503 ") or not answer for answer in answers)
    assert sum(bool(answer) for answer in answers) >= 32


async def test_the_end_of_a_connection_makes_room(start_bridge):
    bridge = await start_bridge(max_connections=1)
    for _ in range(20):
        async with connected(bridge, get()) as (reader, _):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_a_tls_handshake_that_does_not_come_about_is_cut_and_counted(service, tmp_path):
    files = write_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    runner = Runner(build_app(Config(service=service.target, head_timeout_s=2.0, max_connections=3), None))
    await runner.setup()
    try:
        sockets = await bind("127.0.0.1", 0)
        await Site(runner, sockets, context).start()
        port = sockets[0].getsockname()[1]
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for reader, writer in silent:
            assert await rest_of(reader) == b""
            writer.close()
        trusting = ssl.create_default_context(cafile=files.ca)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.write(get())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()
    finally:
        await runner.cleanup()
