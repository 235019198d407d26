"""Requests that are no HTTP, or end before they should: the layer below the routes refuses them, and nothing breaks."""

import asyncio
import json
import logging
import zlib
from contextlib import asynccontextmanager, suppress

import pytest

from bridge.http.access_log import ClientMistakes
from tests.support.fake_service import DEMO
from tests.support.running_bridge import PROMPT

PATH = f"/client/v4/accounts/acc/ai/run/{DEMO}".encode()
BODY = json.dumps(PROMPT).encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def request(headers, body=BODY, line=b"POST " + PATH + b" HTTP/1.1", host=b"Host: 127.0.0.1\r\n"):
    """The bytes of a request; nothing is added to the headers but Host."""
    return line + b"\r\n" + host + headers + b"\r\n" + body


BROKEN = {
    "a length that is no number": request(b"Content-Length: many\r\n"),
    "a negative length": request(b"Content-Length: -5\r\n"),
    "a length with a sign": request(b"Content-Length: +5\r\n"),
    "a length with an underscore": request(b"Content-Length: 1_0\r\n"),
    "two lengths": request(b"Content-Length: 5\r\nContent-Length: 6\r\n"),
    "a length and chunks": request(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n"),
    "chunks of no size": request(CHUNKED, b"\r\n" + BODY),
    "chunks of a size that is no number": request(CHUNKED, b"zz\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunks of a negative size": request(CHUNKED, b"-5\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunks of a huge size": request(CHUNKED, b"f" * 5000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk longer than it says": request(CHUNKED, b"5\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "an unknown transfer coding": request(b"Transfer-Encoding: chunked, gargle\r\n", b"0\r\n\r\n"),
    "a header without a colon": request(b"Content-Length\r\n"),
    "a header with a line break": request(b"X: a\rb\r\nContent-Length: 5\r\n"),
    "a header with a zero": request(b"X: a\x00b\r\nContent-Length: 5\r\n"),
    "a long header": request(b"X: " + b"a" * 100_000 + b"\r\n"),
    "a long path": request(b"", line=b"POST /" + b"a" * 100_000 + b" HTTP/1.1"),
    "a method that is none": request(b"", line=b"P@ST " + PATH + b" HTTP/1.1"),
    "a version that is none": request(b"", line=b"POST " + PATH + b" HTTP/9.z"),
    "no line at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "brotli": request(b"Content-Encoding: br\r\nContent-Length: %d\r\n" % len(BODY)),
    "cut deflate": request(b"Content-Encoding: deflate\r\nContent-Length: 8\r\n", zlib.compress(BODY)[:8]),
}

# The body never comes as far as it is said to; the client leaves.
LEFT = {
    "a length longer than the body": request(b"Content-Length: 5000\r\n"),
    "chunks without an end": request(CHUNKED, b"5\r\n" + BODY[:5] + b"\r\n"),
    "a chunk shorter than it says": request(CHUNKED, b"500\r\n" + BODY),
    "headers without an end": b"POST " + PATH + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n",
}


@pytest.fixture(autouse=True)
def _log(caplog):
    """Fails a test that leaves a traceback in the log; with the filter that the process has."""
    server_log, mistakes = logging.getLogger("aiohttp.server"), ClientMistakes()
    server_log.addFilter(mistakes)
    yield
    server_log.removeFilter(mistakes)
    assert not [record for record in caplog.records if record.exc_info]


@asynccontextmanager
async def sent_to(bridge, sent):
    """Sends bytes over a connection of their own; gives what reads the answer."""
    host, port = bridge.runner.addresses[0]
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(sent)
        yield reader
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
async def test_it_is_refused_and_the_next_request_answered(bridge, service, sent):
    async with sent_to(bridge, sent) as reader:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert b"\r\nServer: Runstream\r\n" in head
    assert not service.requests
    assert (await bridge.run(PROMPT)).status == 200


@pytest.mark.parametrize("sent", LEFT.values(), ids=LEFT)
async def test_a_client_that_leaves_in_the_middle_asks_nothing(bridge, service, sent):
    async with sent_to(bridge, sent):
        pass
    assert (await bridge.run(PROMPT)).status == 200
    assert len(service.requests) == 1
