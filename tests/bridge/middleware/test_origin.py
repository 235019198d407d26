"""Which web pages reach the bridge."""

import asyncio

import pytest

from tests.support.running_bridge import PROMPT

PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture
async def public(start_bridge):
    """A bridge with a name and a page that may use it."""
    return await start_bridge(allowed_hosts=frozenset({"ai.example"}), allowed_origins=frozenset({"https://a.example"}))


LOOPBACK = ["localhost", "localhost:1", "127.0.0.1:80", "127.9.9.9", "[::1]:80"]
ELSEWHERE = ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8080", "localhost.evil"]


@pytest.mark.parametrize("host", [*LOOPBACK, "AI.example:443"])
async def test_known_hosts_are_answered(public, host):
    assert (await public.run(PROMPT, headers={"Host": host})).status == 200


@pytest.mark.parametrize("host", ELSEWHERE)
async def test_other_hosts_are_refused_with_the_flag_that_lets_them_in(public, service, host):
    status, code, message = (await public.run(PROMPT, headers={"Host": host})).error
    assert (status, code) == (403, 10000)
    assert message == f"The Host header {host!r} is not allowed: start with --allowed-hosts {host.partition(':')[0]}"
    assert not service.requests


@pytest.mark.parametrize("host", ["", "[::1", ":80", "@"])
async def test_a_host_that_names_none_is_refused_without_a_flag_that_nothing_stands_behind(public, service, host):
    answer = await public.run(PROMPT, headers={"Host": host})
    message = f"The Host header {host!r} names no host: send that of the address you ask"
    assert answer.error == (403, 10000, message)
    assert not service.requests


async def test_a_request_of_http_1_0_without_a_host_is_told_what_to_send(bridge):
    host, port = bridge.runner.addresses[0]
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /v1/models HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.0 403 ")
    assert b"names no host: send that of the address you ask" in answer


async def test_an_empty_origin_is_refused_without_a_flag_that_nothing_stands_behind(public, service):
    answer = await public.run(PROMPT, headers={"Origin": ""})
    assert answer.error == (403, 10000, "The Origin header is empty: send none, or where the page is from")
    assert not service.requests


@pytest.mark.parametrize(("host", "origin"), [("LocalHost", "http://localhost"), ("localhost", "https://LOCALHOST")])
async def test_the_bridges_own_page_is_known_whatever_the_case_of_its_host(bridge, host, origin):
    port = bridge.runner.addresses[0][1]
    headers = {"Host": f"{host}:{port}", "Origin": f"{origin}:{port}"}
    assert (await bridge.run(PROMPT, headers=headers)).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_are_answered_by_any_name(bridge, service, path):
    await service.set_serving(True)
    assert (await bridge.ask("GET", path, headers={"Host": "10.0.0.1"})).status == 200


@pytest.mark.parametrize("path", ["/metrics", "/docs", "/openapi.json", "/v1/models", "/healthz/"])
async def test_nothing_else_is(bridge, path):
    assert (await bridge.ask("GET", path, headers={"Host": "10.0.0.1"})).status == 403


@pytest.mark.parametrize("scheme", ["ftp", "file", "chrome-extension", "ws"])
async def test_the_bridges_own_name_with_another_scheme_is_no_page_of_its_own(bridge, scheme):
    origin = bridge.url.replace("http", scheme)
    assert (await bridge.run(PROMPT, headers={"Origin": origin})).error[:2] == (403, 10000)


async def test_a_request_with_the_header_of_a_preflight_is_none(public, service):
    answer = await public.run(PROMPT, headers={"Origin": "https://a.example", **PREFLIGHT})
    assert answer.status == 200
    assert service.requests


async def test_a_page_of_the_bridge_itself_is_answered(bridge):
    assert (await bridge.run(PROMPT, headers={"Origin": bridge.url})).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[", "http://localhost:1", "file://"])
async def test_other_pages_are_refused_with_the_flag_that_lets_them_in(public, service, origin):
    answer = await public.run(PROMPT, headers={"Origin": origin})
    assert answer.error[:2] == (403, 10000)
    assert f"--allowed-origins {origin}" in answer.error[2]
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert not service.requests


@pytest.mark.parametrize("body", [PROMPT, {**PROMPT, "stream": True}, {}])
async def test_an_allowed_page_may_read_every_answer(public, body):
    answer = await public.run(body, headers={"Origin": "https://a.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert answer.headers["Vary"] == "Origin"
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"cf-ai-req-id", "x-request-id", "Retry-After", "x-should-retry"} <= set(exposed)


async def test_a_preflight_of_an_allowed_page_needs_no_token(public):
    path = "/client/v4/accounts/acc/ai/run/m"
    answer = await public.ask("OPTIONS", path, headers={"Origin": "https://a.example", **PREFLIGHT})
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert answer.headers["Access-Control-Max-Age"] == "600"


async def test_a_preflight_of_another_page_is_refused(public):
    path = "/client/v4/accounts/acc/ai/run/m"
    answer = await public.ask("OPTIONS", path, headers={"Origin": "https://evil.example", **PREFLIGHT})
    assert answer.status == 403
