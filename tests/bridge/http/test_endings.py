"""How answers end when something else ends first: the service, the bridge, or a reader's patience."""

import asyncio
import socket
from contextlib import suppress

import grpc
import pytest
from aiohttp import web

from bridge.errors import AiError
from bridge.http.drain import Drain
from tests.support.cancelling import each_cancel
from tests.support.fake_service import FakeService, failure, last_part, part, running
from tests.support.running_bridge import PROMPT

STREAM = {**PROMPT, "stream": True}


async def begin_stream(bridge, service):
    """Asks for a stream and reads its first event; the service holds back the second."""
    service.gate.clear()
    response = await bridge.http.post(bridge.run_url, json=STREAM)
    assert await response.content.readuntil(b"\n\n") == b'data: {"response":"New"}\n\n'
    return response


async def test_a_service_that_stops_ends_its_streams_with_an_error(start_bridge):
    service = FakeService()
    async with running(service) as server:
        bridge = await start_bridge(service=service.target)
        stream = await begin_stream(bridge, service)
        await server.stop(None)
        rest = await stream.read()
    assert rest.startswith(b'retry: 86400000\n\ndata: {"response":"","errors":[{"code":3040,')
    assert b"[DONE]" not in rest


async def test_a_bridge_that_stops_ends_its_streams_with_an_error(bridge, service):
    stream = await begin_stream(bridge, service)
    await bridge.runner.cleanup()
    rest = await stream.read()
    assert rest.startswith(b'retry: 86400000\n\ndata: {"response":"","errors":[{"code":3040,')
    assert b"The server is shutting down." in rest
    assert b"[DONE]" not in rest
    await asyncio.wait_for(service.cancelled.wait(), 60)


async def test_a_bridge_that_stops_answers_503_where_nothing_was_sent(bridge, service):
    service.gate.clear()
    asking = asyncio.create_task(bridge.run(PROMPT))
    await service.started.wait()
    await bridge.runner.cleanup()
    answer = await asking
    assert answer.error == (503, 3040, "AiError: AiError: The server is shutting down.")
    assert answer.headers["Retry-After"] == "2"


async def test_a_bridge_that_stops_lets_streams_end_within_the_grace(start_bridge, service):
    bridge = await start_bridge(shutdown_grace_s=3600.0)
    stream = await begin_stream(bridge, service)
    stopping = asyncio.create_task(bridge.runner.cleanup())
    service.gate.set()
    assert (await stream.read()).endswith(b"data: [DONE]\n\n")
    await asyncio.wait_for(stopping, 120)


@pytest.mark.parametrize("is_stopped", [True, False], ids=["bridge", "service"])
async def test_what_ends_behind_the_last_event_adds_no_error(bridge, service, caplog, is_stopped):
    caplog.set_level("INFO")
    service.parts = [last_part("New York"), part("")]
    service.status = failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "it crashed")
    service.gate.clear()
    stream = await bridge.http.post(bridge.run_url, json=STREAM)
    await stream.content.readuntil(b"data: [DONE]\n\n")
    if is_stopped:
        await bridge.runner.cleanup()
    else:
        service.gate.set()
    assert await stream.read() == b""
    await bridge.runner.cleanup()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "bridge.http.access_log"]
    assert "status=200" in line
    assert "error=''" in line


async def test_a_bridge_that_stops_takes_no_new_connections(start_bridge, service):
    bridge = await start_bridge(shutdown_grace_s=3600.0)
    stream = await begin_stream(bridge, service)
    stopping = asyncio.create_task(bridge.runner.cleanup())
    await asyncio.wait_for(refused(bridge.url), 120)
    service.gate.set()
    await stream.read()
    await stopping


async def test_a_request_whose_body_came_too_late_is_told_so():
    drain = Drain(grace_s=0.0)
    await drain.finish(web.Application())
    with pytest.raises(AiError, match="shutting down"):
        async with drain.running():
            await asyncio.Event().wait()


async def refused(url: str) -> None:
    """Returns once nobody listens there any more."""
    port = int(url.rsplit(":", 1)[1])
    with suppress(ConnectionRefusedError):
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()


async def test_a_service_that_is_slow_to_take_connections_is_waited_for(start_bridge):
    with socket.create_server(("127.0.0.1", 0)) as never_accepts:
        bridge = await start_bridge(service=f"127.0.0.1:{never_accepts.getsockname()[1]}")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bridge.run(PROMPT), 0.5)


async def test_a_reader_that_does_not_read_holds_up_nobody_else(bridge, service):
    service.parts = [part("x" * 100_000)] * 200 + [last_part()]
    stuck = await bridge.http.post(bridge.run_url, json=STREAM)
    service.parts = [part("New"), last_part()]
    assert (await bridge.run(STREAM)).body.endswith(b"data: [DONE]\n\n")
    stuck.close()


async def test_a_reader_that_does_not_read_and_leaves_cancels_the_call(bridge, service):
    service.parts = [part("x" * 100_000)] * 200 + [last_part()]
    stuck = await bridge.http.post(bridge.run_url, json=STREAM)
    stuck.close()
    await asyncio.wait_for(service.cancelled.wait(), 60)


async def test_many_streams_at_once_each_get_their_own_whole_answer(bridge, service):
    answers = await asyncio.gather(*(bridge.run(STREAM) for _ in range(64)))
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.headers["cf-ai-req-id"] for answer in answers}) == 64
    assert len(service.requests) == 64


async def test_a_stream_on_which_nothing_comes_is_kept_alive_with_comments(start_bridge, service):
    bridge = await start_bridge(keep_alive_s=0.01)
    service.gate.clear()
    response = await bridge.http.post(bridge.run_url, json=STREAM)
    # On a busy machine even the first event may come behind a comment.
    await response.content.readuntil(b'data: {"response":"New"}\n\n')
    for _ in range(2):
        assert await response.content.readuntil(b"\n\n") == b": keep-alive\n\n"
    service.gate.set()
    rest = await response.read()
    assert rest.replace(b": keep-alive\n\n", b"").startswith(b'data: {"response":" York"}\n\n')


async def test_a_stream_is_kept_alive_before_its_first_event_and_may_still_fail(start_bridge, service):
    bridge = await start_bridge(keep_alive_s=0.01)
    service.parts = [part(""), part("")]
    service.status = failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "it crashed")
    service.gate.clear()
    response = await bridge.http.post(bridge.run_url, json=STREAM)
    assert await response.content.readuntil(b"\n\n") == b": keep-alive\n\n"
    service.gate.set()
    rest = (await response.read()).replace(b": keep-alive\n\n", b"")
    assert rest.startswith(b'retry: 86400000\n\ndata: {"response":"","errors":[{"code":5000,')


async def test_an_answer_that_is_cancelled_anywhere_is_not_waited_for_at_the_end():
    drain = Drain(grace_s=3600.0)

    async def answer():
        async with drain.running():
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async for where in each_cancel(answer):
        assert drain._is_idle.is_set(), where
    async with asyncio.timeout(120):
        await drain.finish(web.Application())
