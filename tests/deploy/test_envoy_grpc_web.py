"""A page in a real browser asks services by gRPC-Web, through Envoy."""

import asyncio
import base64
import contextlib

import pytest
from aiohttp import web
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import FakeService, running
from tests.support.running_envoy import host_of, lead_to, read_settings, run_envoy

PATIENCE_S = 120.0

# Reads frames as they come: a byte of flags, four of the length, then a message, or with flag 0x80 the trailers.
CALL = """
const [url, body] = arguments;
window.frames_got = [];
window.controller = new AbortController();
(async () => {
  const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  const frame = new Uint8Array(5 + bytes.length);
  new DataView(frame.buffer).setUint32(1, bytes.length);
  frame.set(bytes, 5);
  const headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1", "x-session-affinity": "page"};
  const response = await fetch(url, {method: "POST", headers, body: frame, signal: window.controller.signal});
  let got = new Uint8Array(0);
  for await (const chunk of response.body) {
    got = Uint8Array.from([...got, ...chunk]);
    while (got.length >= 5) {
      const end = 5 + new DataView(got.buffer).getUint32(1);
      if (got.length < end) break;
      window.frames_got.push([got[0], btoa(String.fromCharCode(...got.slice(5, end)))]);
      got = got.slice(end);
    }
  }
})().catch((error) => window.frames_got.push([-1, String(error)]));
"""


@pytest.fixture
async def service():
    fake = FakeService()
    async with running(fake):
        yield fake


@pytest.fixture
async def page_url():
    """Where a page is that may ask."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>page</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def url(service, page_url, tmp_path):
    """What a page asks."""
    settings = read_settings("services")
    lead_to(settings, [service.target])
    cors = host_of(settings)["typed_per_filter_config"]["envoy.filters.http.cors"]
    cors["allow_origin_string_match"] = [{"exact": page_url}]
    with contextlib.ExitStack() as stack:
        envoy = await asyncio.to_thread(stack.enter_context, run_envoy(settings, tmp_path))
        yield f"http://{envoy.target}/runstream.v1.TextGenerationService/RunStream"


async def ask(browser, url):
    body = base64.b64encode(pb.RunRequest(model="m").SerializeToString()).decode()
    await asyncio.to_thread(browser.execute_script, CALL, url, body)


async def frames(browser, number):
    """What the page has got, once it is so many frames."""
    async with asyncio.timeout(PATIENCE_S):
        while len(got := await asyncio.to_thread(browser.execute_script, "return window.frames_got")) < number:
            pass
    return got


async def test_a_page_gets_a_stream_part_by_part(browser, service, page_url, url):
    await asyncio.to_thread(browser.get, page_url)
    service.gate.clear()
    await ask(browser, url)
    (first,) = await frames(browser, 1)
    assert pb.RunStreamResponse.FromString(base64.b64decode(first[1])).text == "New"
    service.gate.set()
    *parts, (flags, trailers) = await frames(browser, 4)
    assert [pb.RunStreamResponse.FromString(base64.b64decode(part)).text for _, part in parts] == ["New", " York", ""]
    assert flags == 0x80
    assert b"grpc-status:0" in base64.b64decode(trailers)
    assert service.metadata["x-session-affinity"] == "page"


async def test_a_call_that_a_page_aborts_ends_at_the_service(browser, service, page_url, url):
    await asyncio.to_thread(browser.get, page_url)
    service.gate.clear()
    await ask(browser, url)
    await frames(browser, 1)
    await asyncio.to_thread(browser.execute_script, "window.controller.abort()")
    await asyncio.wait_for(service.cancelled.wait(), PATIENCE_S)


async def test_another_page_is_not_answered(browser, service, page_url, url):
    await asyncio.to_thread(browser.get, page_url.replace("127.0.0.1", "localhost"))
    await ask(browser, url)
    ((flags, error),) = await frames(browser, 1)
    assert flags == -1
    assert "Failed to fetch" in error
    assert not service.requests


async def test_a_name_that_somebody_has_lead_here_is_not_answered(browser, service, page_url, url):
    await asyncio.to_thread(browser.get, page_url)
    await ask(browser, url.replace("127.0.0.1", "rebound.localhost"))
    assert (await frames(browser, 1))[0][0] == -1
    assert not service.requests
