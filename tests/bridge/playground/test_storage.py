"""A browser that is told to keep nothing of any page: both pages work, and say so."""

import asyncio
import json

import pytest
from selenium.webdriver.common.keys import Keys

from accounts.tokens import Token, hash_token
from tests.support.browser import chromium
from tests.support.page import Page

BLOCKED = {"profile": {"default_content_setting_values": {"cookies": 2}}}
TITLES = "#conversation-list .open"
ENDING = ".turn.assistant .ending"


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory):
    """A page of a browser whose storage throws."""
    folder = tmp_path_factory.mktemp("browser")
    (folder / "Default").mkdir()
    (folder / "Default" / "Preferences").write_text(json.dumps(BLOCKED))
    with chromium(folder) as browser:
        yield Page(browser)


async def visit(page, url):
    page.browser.get_log("browser")
    await asyncio.to_thread(page.browser.get, url)
    for name in ("localStorage", "sessionStorage"):
        throws = f"try {{ {name}.getItem('x') }} catch {{ return true }}"
        assert await page.run(throws) is True


def severe(page):
    return [entry for entry in page.browser.get_log("browser") if entry["level"] == "SEVERE"]


async def say(page, text):
    await page.write("#message", text)
    await page.press(Keys.ENTER)
    await page.until(".turn.user .content", text)
    await page.until(ENDING, "cached")


async def test_the_playground_has_its_chats_until_it_is_left(forgetful, bridge, service):
    await visit(forgetful, bridge.url)
    await forgetful.until("#not-kept[role=alert]", "This browser keeps nothing")
    await forgetful.until(".model-state", "Ready")
    await say(forgetful, "where is new york?")
    await forgetful.click("#new-conversation")
    await say(forgetful, "where is paris?")
    assert await forgetful.texts("#problem") == []
    await forgetful.click("#conversation-list li:last-child .open")
    await forgetful.until(".turn.user .content", "where is new york?")
    await forgetful.click('[aria-label="Delete where is paris?"]')
    await forgetful.click("#code")
    await forgetful.until("#code-text", "curl")
    await forgetful.click("#code-close")
    await forgetful.click('#theme option[value="dark"]')
    assert await forgetful.run("return document.documentElement.dataset.theme") == "dark"
    assert severe(forgetful) == []
    await forgetful.run("location.reload()")
    await forgetful.until(".model-state", "Ready")
    assert await forgetful.texts(TITLES) == []


async def test_a_token_counts_until_the_page_is_left(forgetful, start_bridge):
    bridge = await start_bridge(tokens=(Token("acc", hash_token("secret"), "test"),))
    await visit(forgetful, bridge.url)
    await forgetful.write("#token", "secret")
    await forgetful.press(Keys.ENTER)
    await forgetful.until(".model-state", "Ready")
    await say(forgetful, "where is new york?")


async def test_the_operator_s_page_works_and_says_so(forgetful, bridge):
    await visit(forgetful, f"{bridge.url}/status")
    await forgetful.until("#not-kept[role=alert]", "This browser keeps nothing")
    await forgetful.until("#live", "Live")
    await forgetful.click('#theme option[value="dark"]')
    assert await forgetful.run("return document.documentElement.dataset.theme") == "dark"
    assert severe(forgetful) == []


@pytest.mark.parametrize("path", ["", "/status"])
async def test_where_the_browser_keeps_things_nothing_is_said(page, bridge, path):
    await page.open(bridge.url + path)
    await page.until("#theme")
    assert await page.texts("#not-kept") == []
