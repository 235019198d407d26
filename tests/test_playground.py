"""The playground in a real browser, with the real stack behind it."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support.accessibility import serious_violations
from tests.support.running_service import MODEL
from tests.support.whole_chain import run_whole_chain

MAX_BYTES = 300_000
ANSWER = ".turn.assistant .content"
ENDING = ".turn.assistant .ending"


async def begin_endless(page, chain):
    """Opens the page and asks for an answer that does not end; returns once it has begun."""
    await page.open(chain.bridge.url)
    await page.until(".fields", "max_tokens")
    await page.click(f'[name="model"] option[value="{MODEL}"]')
    await page.write('[name="max_tokens"]', "30000")
    await page.write('[name="temperature"]', "0")
    await page.write("#message", "Where is New York?")
    await page.press(Keys.ENTER)
    await page.until(ENDING, "tokens/s")


@pytest.mark.asyncio(loop_scope="session")
async def test_stop_frees_the_sequence_in_the_engine(page, chain):
    await begin_endless(page, chain)
    assert chain.engine.stats.num_running == 1
    await page.press(Keys.ESCAPE)
    await chain.until(lambda: chain.engine.stats.num_running == 0)
    await page.until(ENDING, "Stopped.")


@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_that_is_closed_frees_the_sequence_too(page, chain):
    await begin_endless(page, chain)
    await page.run("location.assign('about:blank')")
    await chain.until(lambda: chain.engine.stats.num_running == 0)


@pytest.mark.asyncio(loop_scope="session")
async def test_an_engine_that_dies_in_the_midst_of_an_answer_says_so(page, chain_catalog):
    async with run_whole_chain(chain_catalog) as chain:
        await begin_endless(page, chain)
        assert chain.engine.pid is not None
        os.kill(chain.engine.pid, signal.SIGKILL)
        await page.until(ENDING, "The engine failed while it was running this request.")
        await page.until(ENDING, "Request id:")
        assert await page.texts(ANSWER) != [""]
        await page.until("#send")


@pytest.mark.asyncio(loop_scope="session")
async def test_a_service_that_is_gone_is_told(page, chain_catalog):
    async with run_whole_chain(chain_catalog) as chain:
        await begin_endless(page, chain)
        await chain.service.service.stop(drain_timeout_s=0)
        await page.until(ENDING, "Request id:")
        await page.write("#message", "Are you there?")
        await page.press(Keys.ENTER)
        await page.until(".turn:nth-child(4) .ending .failure")


async def test_all_of_the_page_is_small_and_comes_from_the_bridge(page, running_stack):
    page.browser.get_log("performance")
    page.browser.get_log("browser")
    await page.open(running_stack.url)
    await page.until(".fields", "temperature")
    await page.write("#message", "where is new york?")
    await page.press(Keys.ENTER)
    await page.until(ENDING, "cached")
    sizes = await page.run(
        "return performance.getEntries().filter((e) => e.initiatorType).map((e) => [e.name, e.decodedBodySize])"
    )
    files = {name: size for name, size in sizes if "/playground/models" not in name and "/client/" not in name}
    assert all(name.startswith(running_stack.url) for name in files)
    assert 100_000 < sum(files.values()) <= MAX_BYTES
    events = [json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    of_the_browser = ("about:", "chrome:", "data:", running_stack.url)
    assert [url for url in asked if not url.startswith(of_the_browser)] == []
    severe = [entry["message"] for entry in page.browser.get_log("browser") if entry["level"] == "SEVERE"]
    # The browser may still look for an icon of what an earlier test has shown in this tab.
    assert [message for message in severe if "/favicon.ico" not in message] == []


async def test_axe_finds_nothing_serious(page, running_stack):
    await page.open(running_stack.url)
    await page.until(".fields", "temperature")
    await page.click('[name="model"] option[value="@cf/meta/llama-3.1-8b-instruct"]')
    await page.until(".stand-in", "answers instead")
    await page.write("#message", "where is new york?")
    await page.press(Keys.ENTER)
    await page.until(ENDING, "cached")
    for theme in ("light", "dark"):
        await page.click(f'#theme option[value="{theme}"]')
        assert serious_violations(page.browser) == []


async def test_a_chat_by_keyboard_alone(page, running_stack):
    await page.open(running_stack.url)
    await page.until(".fields", "temperature")
    assert await page.run("return document.activeElement.id") == "message"
    await page.press("one")
    await page.chord(Keys.SHIFT, Keys.ENTER)
    await page.press("two", Keys.ENTER)
    await page.until(ENDING, "cached")
    assert await page.texts(".turn.user .content") == ["one\ntwo"]
    reached = set()
    for _ in range(80):
        await page.press(Keys.TAB)
        reached.add(await page.run("const e = document.activeElement; return e.name || e.id || e.textContent"))
    wanted = {"new-conversation", "export", "import", "model", "settings", "mode", "system", "stream"}
    wanted |= {"temperature", "Regenerate", "Edit", "theme", "message", "send"}
    assert wanted - reached == set()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_phone_s_width_is_enough_in_both_themes(page, running_stack, theme):
    await page.open(running_stack.url, width=360, height=740)
    await page.until(".model-state", "Ready")
    await page.click(f'#theme option[value="{theme}"]')
    await page.write("#message", "Tell me a story")
    await page.click("#send")
    await page.until(ENDING, "cached")
    assert await page.run("return [innerWidth, document.documentElement.scrollWidth]") == [360, 360]
    colour = await page.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", colour))) < 200) == (theme == "dark")
    await page.click("#show-conversations")
    await page.until("#conversation-list .open", "Tell me a story")
    await page.click("#conversation-list .open")
    await page.until_gone("#conversations")
    await page.click('[name="settings"]')
    await page.until(".settings", "temperature")


async def test_the_picture_in_the_readme_is_taken_of_a_chat(page, running_stack, tmp_path):
    """`make screenshot` says by a variable where it goes."""
    picture = Path(os.environ.get("RUNSTREAM_SCREENSHOT") or tmp_path / "playground.png")
    await page.open(running_stack.url, width=1200, height=700)
    await page.until(".fields", "temperature")
    await page.click('#theme option[value="light"]')
    await page.write('[name="seed"]', "1")
    for number, text in enumerate(["Where is New York?", "Where is Paris?"], 1):
        await page.write("#message", text)
        await page.press(Keys.ENTER)
        await page.until(f".turn:nth-child({2 * number}) .ending", "cached")
    await page.run("document.querySelector('.settings').scrollTop = 0")
    assert page.browser.save_screenshot(str(picture))
