"""Conversations are kept in the browser, and go out and in as files."""

import asyncio
import json
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

TITLES = "#conversation-list .open"
ENDING = ".turn.assistant .ending"


@pytest.fixture
async def chat(page, bridge, service):
    """The page, with a conversation about New York."""
    await page.open(bridge.url)
    await page.until(".fields", "temperature")
    await say(page, "where is new york?")
    return page


async def say(page, text):
    await page.write("#message", text)
    await page.press(Keys.ENTER)
    await page.until(".turn.user:nth-last-child(2) .content", text)
    await page.until(".turn.assistant:last-child .ending", "cached")


async def test_a_conversation_outlives_a_reload(chat):
    await chat.write('[name="temperature"]', "0.5")
    await chat.press(Keys.TAB)
    await chat.run("location.reload()")
    await chat.until(ENDING, "cached")
    assert await chat.texts(".turn .content") == ["where is new york?", "New York"]
    await chat.until(".fields", "temperature")
    assert await chat.run("return document.querySelector('[name=temperature]').value") == "0.5"


async def test_a_setting_is_kept_once_it_is_made_not_with_each_key(chat):
    await chat.write('[name="temperature"]', "0.5")
    kept = "return JSON.parse(Object.values(localStorage)[0]).panes[0].fields"
    assert await chat.run("return document.querySelector('[name=temperature] + [type=range]').value") == "0.5"
    assert await chat.run(kept) == {}
    await chat.press(Keys.TAB)
    assert await chat.run(kept) == {"temperature": 0.5}


async def test_an_answer_that_is_left_on_the_way_is_kept_as_stopped(chat, service):
    await chat.click("#new-conversation")
    service.gate.clear()
    await chat.write("#message", "where is paris?")
    await chat.press(Keys.ENTER)
    await chat.until(".turn.assistant .content", "New")
    await chat.click("#conversation-list li:last-child .open")
    await service.cancelled.wait()
    await chat.until(".turn.user .content", "where is new york?")
    await chat.click("#conversation-list li:first-child .open")
    await chat.until(ENDING, "Stopped.")
    await chat.run("location.reload()")
    await chat.until(".model-state", "Ready")
    await chat.click("#conversation-list li:last-child .open")
    await chat.until(ENDING, "Stopped.")


async def test_there_are_several_which_can_be_opened_and_deleted(chat):
    await chat.click("#new-conversation")
    await say(chat, "where is paris?")
    assert await chat.texts(TITLES) == ["where is paris?", "where is new york?"]
    await chat.click("#conversation-list li:last-child .open")
    await chat.until(".turn.user .content", "where is new york?")
    await chat.click('[aria-label="Delete where is new york?"]')
    await chat.until(".empty")
    assert await chat.texts(TITLES) == ["where is paris?"]


async def export(page, folder):
    """The file that the page writes into a folder."""
    downloads = {"behavior": "allow", "downloadPath": str(folder), "eventsEnabled": False}
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    await page.click("#export")
    exported = folder / "runstream-chats.json"
    async with asyncio.timeout(60):
        # Chrome takes the name with an empty file first, and moves the whole one there.
        while not (exported.exists() and exported.stat().st_size):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
    return exported


async def test_they_go_out_as_a_file_and_come_in_again(chat, tmp_path):
    exported = await export(chat, tmp_path)
    assert json.loads(exported.read_text())["version"] == 1
    await chat.click('[aria-label="Delete where is new york?"]')
    await chat.until_gone(TITLES)
    chat.browser.find_element(By.ID, "import-file").send_keys(str(exported))
    assert await chat.until(TITLES) == "where is new york?"
    await chat.click(TITLES)
    await chat.until(".turn.assistant .content", "New York")


async def test_all_that_a_browser_keeps_can_come_in_again(chat, tmp_path):
    # A character that a browser counts as one of its five millions has three bytes in a file.
    write = "localStorage.setItem('runstream.conversation.long', arguments[0].replace('€', '€'.repeat(4_000_000)));"
    await chat.run(write, json.dumps({**with_turn(content="€"), "id": "long"}, ensure_ascii=False))
    exported = await export(chat, tmp_path)
    assert exported.stat().st_size > 12_000_000
    await chat.run("localStorage.removeItem('runstream.conversation.long')")
    chat.browser.find_element(By.ID, "import-file").send_keys(str(exported))
    await chat.until("#conversation-list .open", "€" * 60)


WHOLE: dict[str, Any] = {
    "updatedAt": 1,
    "panes": [{"model": "", "mode": "chat", "stream": True, "system": "", "fields": {}, "turns": []}],
}
KIND = "runstream-conversations"


def with_pane(**parts):
    return {**WHOLE, "panes": [{**WHOLE["panes"][0], **parts}]}


def with_turn(**parts):
    return with_pane(turns=[{"role": "user", "content": "hello", **parts}])


def exported(conversation):
    return json.dumps({"kind": KIND, "version": 1, "conversations": [conversation]})


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("no JSON", "not a file of exported chats"),
        (json.dumps({"kind": "other"}), "not a file of exported chats"),
        (json.dumps({"kind": KIND, "version": 2, "conversations": []}), "version 2"),
        (json.dumps({"kind": KIND, "version": 1, "conversations": [{**WHOLE, "panes": []}]}), "damaged"),
        (json.dumps({"kind": KIND, "version": 1, "conversations": [{**WHOLE, "updatedAt": "x"}]}), "damaged"),
        (exported(with_turn(ending={"tokensPerSecond": "x"})), "damaged"),
        (exported(with_turn(name={"toString": 1})), "damaged"),
        (exported({**WHOLE, "aside": {}}), "damaged"),
        (exported(with_pane(fields={"tools": [{"name": {"toString": 1}}]})), "damaged"),
        (" " * (32 * 2**20 + 1), "larger than 32 MB"),
    ],
    ids=[
        "no JSON",
        "another file",
        "a later version",
        "no pane",
        "no time",
        "speed",
        "name",
        "aside",
        "tool",
        "too large",
    ],
)
async def test_a_file_that_is_none_of_these_is_refused_in_words(page, bridge, tmp_path, file, complaint):
    await page.open(bridge.url)
    await page.until(".model-state")
    path = tmp_path / "file.json"
    path.write_text(file)
    page.browser.find_element(By.ID, "import-file").send_keys(str(path))
    await page.until("#problem", complaint)
    assert await page.texts(TITLES) == []


async def test_one_from_the_future_does_not_stay_the_latest(chat, tmp_path):
    path = tmp_path / "file.json"
    path.write_text(exported({**with_turn(), "updatedAt": 1e15}))
    chat.browser.find_element(By.ID, "import-file").send_keys(str(path))
    await chat.until("#conversation-list li:first-child .open", "hello")
    await say(chat, "where is rome?")
    assert await chat.texts(TITLES) == ["where is new york?", "hello"]


async def test_one_that_another_tab_deletes_is_left_and_stays_deleted(chat, bridge):
    first = chat.browser.current_window_handle
    chat.browser.switch_to.new_window("tab")
    try:
        await asyncio.to_thread(chat.browser.get, bridge.url)
        await chat.click('[aria-label="Delete where is new york?"]')
        await chat.until_gone(TITLES)
    finally:
        chat.browser.close()
        chat.browser.switch_to.window(first)
    await chat.until("#problem", "deleted in another tab")
    await chat.until(".empty")
    await say(chat, "where is paris?")
    assert await chat.texts(TITLES) == ["where is paris?"]


async def test_one_that_is_deleted_unheard_is_not_written_again(chat):
    # The tab that does it is not told by an event.
    await chat.run("Object.keys(localStorage).forEach((key) => localStorage.removeItem(key))")
    await say(chat, "where is paris?")
    await chat.until("#problem", "deleted in another tab")
    assert await chat.run("return Object.keys(localStorage)") == []
    await chat.click("#new-conversation")
    assert await chat.texts(TITLES) == []


async def test_a_browser_without_room_says_so_and_shows_what_it_could_not_keep_until_the_page_is_left(chat):
    await chat.run(
        "for (let size = 2 ** 23; size >= 1; size /= 2) {"
        " try { localStorage.setItem(`filled-${size}`, 'x'.repeat(size)); } catch { continue; } }"
    )
    await chat.click("#new-conversation")
    await say(chat, "where is paris?")
    await chat.until("#problem", "keeps no more chats")
    await chat.click("#new-conversation")
    assert await chat.texts(TITLES) == ["where is paris?", "where is new york?"]


@pytest.mark.parametrize("kept", ["{", "null", "5", '{"id": "x", "updatedAt": 1}'])
async def test_what_is_kept_and_cannot_be_read_is_left_out(chat, kept):
    await chat.run("localStorage.setItem('runstream.conversation.x', arguments[0]); location.reload()", kept)
    await chat.until(".model-state", "Ready")
    assert await chat.texts(TITLES) == ["where is new york?"]
