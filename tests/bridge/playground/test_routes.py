"""The pages and their files: what they allow a browser to do, and that nothing else of the disk can be asked for."""

import aiohttp
import pytest
from yarl import URL

from accounts.tokens import Token, hash_token
from bridge.playground.routes import FILES, PAGES


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_needs_no_token_and_lets_nothing_run_that_is_not_its_own(start_bridge, path):
    bridge = await start_bridge(tokens=(Token("acc", hash_token("secret"), "test"),))
    page = await bridge.ask("GET", path)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", FILES)
async def test_each_file_is_served_with_its_type_and_asked_for_again_by_its_tag(bridge, name):
    first = await bridge.ask("GET", f"/playground/{name}")
    again = await bridge.ask("GET", f"/playground/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status, first.headers["Cache-Control"], again.status) == (200, "no-cache", 304)
    assert first.body == FILES[name].read_bytes()


@pytest.mark.parametrize(
    "path", ["/playground/../routes.py", "/playground/%2e%2e/routes.py", "/playground/vendor", "/playground/nothing.js"]
)
async def test_what_is_no_file_of_the_pages_is_not_there(bridge, path):
    async with bridge.http.get(URL(bridge.url + path, encoded=True)) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["code"]) == (400, 7000)


async def test_all_files_together_are_light_on_the_way(bridge):
    """Those of `/status` and what is only loaded on use included; a test in a browser counts what `/` loads at once."""
    num_bytes = 0
    async with aiohttp.ClientSession(auto_decompress=False, headers={"Accept-Encoding": "gzip"}) as http:
        for name in FILES:
            async with http.get(f"{bridge.url}/playground/{name}") as answer:
                assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
                num_bytes += len(await answer.read())
    assert 50_000 < num_bytes <= 300_000
