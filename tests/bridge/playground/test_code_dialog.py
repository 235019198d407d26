"""The dialog that shows a request as code, in a real browser: what it shows, and that keys alone are enough."""

import json

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support.accessibility import serious_violations
from tests.support.fake_service import DEMO

CODE = "#code-text"
ENDING = ".turn.assistant .ending"
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"


@pytest.fixture
async def chat(page, bridge):
    """The page, opened."""
    await page.open(bridge.url)
    await page.until(".fields", "temperature")
    return page


async def send(page, text="one"):
    await page.write("#message", text)
    await page.press(Keys.ENTER)
    await page.until(ENDING, "cached")


async def body_shown(page):
    """The body in the command of curl that is shown."""
    command = await page.until(CODE, "curl")
    return json.loads(command.partition("-d '")[2].removesuffix("'"))


def contents(body):
    return [message["content"] for message in body["messages"]]


async def focused(page):
    return await page.run("const e = document.activeElement; return e.value || e.id")


async def test_what_would_be_sent_now_is_shown(chat, bridge):
    await chat.write('[name="system"]', "Be brief")
    await chat.write('[name="temperature"]', "0.25")
    await send(chat)
    await chat.write("#message", "two")
    await chat.click("#code")
    shown = await chat.until(CODE, "curl")
    assert shown.splitlines()[0] == f"curl -N {bridge.url}/client/v4/accounts/local/ai/run/{DEMO} \\"
    body = await body_shown(chat)
    assert contents(body) == ["Be brief", "one", "New York", "two"]
    assert (body["temperature"], body["stream"]) == (0.25, True)


@pytest.mark.parametrize(("sent", "shown"), [([], ["Where is New York?"]), (["one"], ["one"])])
async def test_with_nothing_written_it_is_the_last_question_or_an_example(chat, sent, shown):
    for text in sent:
        await send(chat, text)
    await chat.click("#code")
    assert contents(await body_shown(chat)) == shown


async def test_of_a_turn_it_is_what_was_sent_whatever_the_settings_are_now(chat, service):
    await send(chat)
    await chat.write('[name="temperature"]', "0.25")
    await chat.write('[name="system"]', "Be brief")
    await send(chat, "two")
    await chat.click(".turn:nth-child(2) .turn-tools button:nth-child(3)")
    body = await body_shown(chat)
    assert contents(body) == ["one"]
    assert "temperature" not in body


async def test_of_two_side_by_side_either_can_be_shown(chat):
    await chat.click("#compare")
    await chat.click('.pane:nth-child(2) [name="settings"]')
    await chat.write('.pane:nth-child(2) [name="system"]', "Be brief")
    await chat.click("#code")
    assert contents(await body_shown(chat)) == ["Where is New York?"]
    await chat.click('#code-of option[value="1"]')
    await chat.until(CODE, "Be brief")


async def test_keys_alone_choose_copy_and_close_and_do_not_stop_an_answer(chat, service):
    service.gate.clear()
    await chat.write("#message", "one")
    await chat.press(Keys.ENTER)
    await chat.until(".turn.assistant .content", "New")
    await chat.run("document.getElementById('code').focus()")
    await chat.press(Keys.ENTER)
    await chat.until(CODE, "curl")
    assert await focused(chat) == "curl"
    await chat.press(Keys.ARROW_RIGHT)
    await chat.until(CODE, "import requests")
    await chat.press(Keys.TAB)
    assert await focused(chat) == "code-text"
    await chat.press(Keys.TAB, Keys.ENTER)
    await chat.until("#code-copy", "Copied")
    await chat.press(Keys.ESCAPE)
    await chat.until_gone("#code-dialog")
    assert await focused(chat) == "code"
    assert not service.cancelled.is_set()
    service.gate.set()
    await chat.until(ENDING, "cached")


async def test_the_kind_that_was_chosen_last_is_shown_first(chat):
    await chat.click("#code")
    await chat.click('#code-kinds label:has([value="worker"])')
    await chat.until(CODE, "env.AI.run")
    await chat.run("location.reload()")
    await chat.until(".fields", "temperature")
    await chat.click("#code")
    await chat.until(CODE, "env.AI.run")


async def test_without_a_clipboard_of_the_page_s_own_it_is_copied_all_the_same(chat):
    await chat.run(NO_CLIPBOARD)
    await chat.click("#code")
    command = await chat.until(CODE, "curl")
    await chat.click("#code-copy")
    await chat.until("#code-copy", "Copied")
    await chat.click("#code-close")
    await chat.click("#message")
    await chat.chord(Keys.CONTROL, "v")
    assert await chat.run("return document.getElementById('message').value") == command


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_it_fits_a_phone_and_has_no_serious_violation(page, bridge, theme):
    await page.open(bridge.url, width=360, height=740)
    await page.until(".model-state", "Ready")
    await page.click(f'#theme option[value="{theme}"]')
    await page.click("#code")
    await page.until(CODE, "curl")
    box = await page.run(
        "const { left, right, top, bottom } = document.getElementById('code-dialog')"
        ".getBoundingClientRect(); return [left, 360 - right, top, 740 - bottom]"
    )
    assert min(box) >= 0
    assert serious_violations(page.browser) == []


async def test_that_it_can_t_be_loaded_is_told(chat, bridge):
    await bridge.runner.cleanup()
    await chat.click("#code")
    await chat.until("#problem", "can't be reached")


async def test_a_fault_of_the_page_s_own_is_not_told_as_one_of_the_bridge(chat):
    await chat.run(
        "document.getElementById('code-text').remove();"
        "addEventListener('unhandledrejection', ({ reason }) => { document.body.dataset.fault = reason.name; })"
    )
    await chat.click("#code")
    await chat.until("body[data-fault=TypeError]")
    assert await chat.texts("#problem") == []
