"""One streamed answer: when it is opened, what keeps it alive, and what counts it."""

import asyncio
import socket
import struct

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from bridge.config import CONFIG, Config
from bridge.http import sse
from bridge.http.access_log import ACCESS, Access
from bridge.http.event_stream import KEEP_ALIVE, EventStream
from bridge.http.metrics import METRICS, Metrics
from tests.support.cancelling import each_cancel
from tests.support.running_bridge import PROMPT

PATIENCE_S = 120.0
EVENT = b"data: {}\n\n"


class Wire:
    """Where a response writes to; each write is finished somewhat later.

    Attributes:
        heads: How often a response has begun.
        body: What was written.
    """

    def __init__(self):
        self.heads, self.body = 0, b""
        self.output_size, self.length = 0, None

    def enable_chunking(self):
        """Is only told."""

    async def write_headers(self, status_line, headers):
        """Counts a beginning."""
        self.heads += 1
        await asyncio.sleep(0)

    def send_headers(self):
        """Has counted them already."""

    async def write(self, data):
        """Keeps what is written."""
        self.body += data
        await asyncio.sleep(0)


class Setting:
    """A request that waits to be answered.

    Attributes:
        request: The request.
        wire: What its client gets.
        may_open: What the opening of a response waits for.
        is_opening: Set when one waits.
    """

    def __init__(self, keep_alive_s=60.0):
        self.wire = Wire()
        self.may_open, self.is_opening = asyncio.Event(), asyncio.Event()
        self.may_open.set()
        app = web.Application()
        app[CONFIG], app[METRICS] = Config(service="unused", keep_alive_s=keep_alive_s), Metrics()
        app.on_response_prepare.append(self._hold)
        app.freeze()
        self.request = make_mocked_request("POST", "/", app=app, writer=self.wire)
        self.request[ACCESS] = Access()

    @property
    def num_open(self):
        """How many streams are counted as open."""
        return self.request.app[METRICS].streams_open._value.get()

    async def _hold(self, request, response):
        self.is_opening.set()
        await self.may_open.wait()


async def test_a_comment_and_an_event_at_one_time_open_one_response():
    setting = Setting(keep_alive_s=0.001)
    setting.may_open.clear()
    async with asyncio.timeout(PATIENCE_S), EventStream(setting.request, {}) as stream:
        await setting.is_opening.wait()  # for a comment
        writing = asyncio.create_task(stream.write(EVENT))
        for _ in range(10):
            await asyncio.sleep(0)
        setting.may_open.set()
        await writing
        assert (setting.wire.heads, setting.num_open) == (1, 1)
    assert setting.num_open == 0
    assert setting.wire.body.replace(KEEP_ALIVE, b"") == EVENT


async def test_a_stream_that_is_never_opened_is_not_counted():
    setting = Setting()
    async with EventStream(setting.request, {}) as stream:
        await stream.write(b"")
    assert (setting.wire.heads, setting.num_open) == (0, 0)


@pytest.mark.parametrize("keep_alive_s", [60.0, 0.0])
async def test_a_stream_that_is_cancelled_anywhere_is_counted_no_more_and_writes_no_more(keep_alive_s):
    settings = []

    async def answer():
        settings.append(setting := Setting(keep_alive_s))
        async with EventStream(setting.request, {}) as stream:
            await stream.write(EVENT)
            await stream.write(sse.DONE)

    async for where in each_cancel(answer):
        if not settings:
            continue
        setting = settings.pop()
        assert setting.num_open == 0, where
        await asyncio.sleep(0)
        written = setting.wire.body
        for _ in range(5):
            await asyncio.sleep(0)
        assert setting.wire.body == written, where


async def test_comments_are_as_far_apart_as_the_settings_say(start_bridge, service):
    pause_s = 0.05
    bridge = await start_bridge(keep_alive_s=pause_s)
    service.gate.clear()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_S), bridge.http.post(bridge.run_url, json={**PROMPT, "stream": True}) as answer:
        await answer.content.readuntil(KEEP_ALIVE)
        begun_at = loop.time()
        for _ in range(4):
            await answer.content.readuntil(KEEP_ALIVE)
        # Less than four pauses, since the first may have been read late.
        assert loop.time() - begun_at > 2 * pause_s
        service.gate.set()
        await answer.read()


async def test_clients_that_reset_their_connection_at_the_last_event_leave_no_stream_counted(bridge):
    for _ in range(60):
        answer = await bridge.http.post(bridge.run_url, json={**PROMPT, "stream": True})
        assert answer.connection is not None
        assert answer.connection.transport is not None
        await answer.content.readuntil(sse.DONE)
        client = answer.connection.transport if answer.connection else None
        if client is not None:
            linger = struct.pack("ii", 1, 0)
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            client.abort()
        answer.close()
    async with asyncio.timeout(PATIENCE_S):
        while b"runstream_bridge_streams_open 0.0" not in (await bridge.ask("GET", "/metrics")).body:
            pass
