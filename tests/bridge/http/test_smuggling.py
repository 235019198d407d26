"""Two readings of one text of HTTP: where a proxy and the bridge could see different requests, the bridge sees none."""

import pytest

from tests.support.fake_service import DEMO
from tests.support.raw_http import connected, rest_of

PATH = f"/client/v4/accounts/acc/ai/run/{DEMO}".encode()
HIDDEN = b"POST " + PATH + b' HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\n\r\n{"prompt":"hidden"}'
LINE = b"POST " + PATH + b" HTTP/1.1\r\nHost: localhost\r\n"

SHAPES = {
    "a length before chunks": LINE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks before a length": LINE + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": LINE + b"Content-Length: 0\r\nContent-Length: 90\r\n\r\n" + HIDDEN,
    "two lengths in one line": LINE + b"Content-Length: 0, 90\r\n\r\n" + HIDDEN,
    "two codings": LINE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a coding that looks like chunks": LINE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a coding behind a vertical tab": LINE + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": LINE + b"Content-Length : 5\r\n\r\n" + HIDDEN,
    "a folded header": LINE + b"X: a\r\n Content-Length: 0\r\n\r\n" + HIDDEN,
    "a header before the first line's end": b"POST " + PATH + b"\r\nHost: localhost\r\n\r\n" + HIDDEN,
    "a bare line feed within a header": LINE + b"X: a\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a bare carriage return within a header": LINE + b"X: a\rContent-Length: 0\r\n\r\n" + HIDDEN,
    "a name with a zero": LINE + b"Content\x00-Length: 0\r\n\r\n" + HIDDEN,
    "a chunk size with a sign": LINE + b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + HIDDEN,
    "a chunk size with a prefix": LINE + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + HIDDEN,
    "a chunk that ends in a bare line feed": LINE + b"Transfer-Encoding: chunked\r\n\r\n0\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("sent", SHAPES.values(), ids=SHAPES)
async def test_what_can_be_read_in_two_ways_is_refused_and_what_it_hides_is_not_answered(bridge, service, sent):
    async with connected(bridge, sent) as (reader, _):
        answer = await rest_of(reader)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert answer.count(b"\r\nServer: ") == 1
    assert not service.requests
