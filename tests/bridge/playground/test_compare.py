"""Two panes beside each other: one message for both, and models, settings, stops and figures of their own."""

import json

import pytest
from runstream.v1 import models_pb2
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.fake_service import DEMO, last_part, part

OTHER = "@cf/a/b"
FIRST, SECOND = ".pane:nth-child(1)", ".pane:nth-child(2)"


@pytest.fixture
async def compared(page, bridge, service):
    """The page with two panes, of which the second has another model and another temperature."""
    service.other_models = [models_pb2.Model(id=OTHER, state=models_pb2.MODEL_STATE_READY, served_model=OTHER)]
    await page.open(bridge.url)
    await page.until(".fields", "temperature")
    await page.click("#compare")
    await page.until(f"{SECOND} .model-state", "Ready")
    await page.click(f'{SECOND} [name="model"] option[value="{OTHER}"]')
    await page.click(f'{SECOND} [name="settings"]')
    await page.write(f'{SECOND} [name="temperature"]', "0.25")
    await page.click(f'{SECOND} [name="settings"]')
    return page


async def send(page, text="where is new york?"):
    await page.write("#message", text)
    await page.press(Keys.ENTER)


async def test_one_message_goes_to_both_and_each_has_its_own_answer_and_figures(compared, service):
    await send(compared)
    for pane in (FIRST, SECOND):
        assert "first token" in await compared.until(f"{pane} .ending", "cached")
        assert await compared.texts(f"{pane} .turn.assistant .content") == ["New York"]
    asked = {request.model: request.sampling_params for request in service.requests}
    assert set(asked) == {DEMO, OTHER}
    assert (asked[DEMO].HasField("temperature"), asked[OTHER].temperature) == (False, 0.25)
    names = "return [...document.querySelectorAll('.pane')].map((pane) => pane.ariaLabel)"
    assert await compared.run(names) == ["Pane 1", "Pane 2"]


async def test_one_answer_is_stopped_and_the_other_goes_on(compared, service):
    service.gate.clear()
    await send(compared)
    for pane in (FIRST, SECOND):
        await compared.until(f"{pane} .turn.assistant .content", "New")
    assert await compared.run("return document.getElementById('compare').disabled") is True
    await compared.click(f"{SECOND} .turn.running .stop")
    await service.cancelled.wait()
    await compared.until(f"{SECOND} .ending", "Stopped.")
    service.gate.set()
    await compared.until(f"{FIRST} .ending", "cached")
    assert await compared.texts(".turn.assistant .content") == ["New York", "New"]


async def test_stop_beside_the_message_ends_both(compared, service):
    service.gate.clear()
    await send(compared)
    for pane in (FIRST, SECOND):
        await compared.until(f"{pane} .turn.assistant .content", "New")
    await compared.press(Keys.ESCAPE)
    for pane in (FIRST, SECOND):
        await compared.until(f"{pane} .ending", "Stopped.")


async def test_what_was_said_before_is_in_both(page, bridge, service):
    await page.open(bridge.url)
    await page.until(".fields", "temperature")
    await send(page)
    await page.until(".ending", "cached")
    await page.click("#compare")
    assert await page.texts(".turn.assistant .content") == ["New York", "New York"]
    await send(page, "and paris?")
    await page.until(f"{FIRST} .turn:nth-child(4) .ending", "cached")
    await page.until(f"{SECOND} .turn:nth-child(4) .ending", "cached")
    assert [len(request.conversation.messages) for request in service.requests] == [1, 3, 3]


async def test_both_are_kept_and_one_can_be_taken_away(compared):
    await send(compared)
    for pane in (FIRST, SECOND):
        await compared.until(f"{pane} .ending", "cached")
    await compared.run("location.reload()")
    await compared.until(f"{SECOND} .turn.assistant .content", "New York")
    pressed = "return document.getElementById('compare').ariaPressed"
    assert await compared.run(pressed) == "true"
    await compared.click("#compare")
    await compared.until_gone(SECOND)
    assert await compared.run(pressed) == "false"
    assert await compared.texts(".turn.assistant .content") == ["New York"]


async def test_what_was_said_in_the_one_that_is_taken_away_comes_back_with_it(compared, service):
    await send(compared)
    for pane in (FIRST, SECOND):
        await compared.until(f"{pane} .ending", "cached")
    service.parts = [part("A city"), last_part()]
    await compared.click(f"{SECOND} .turn.assistant .turn-tools button:first-child")
    await compared.until(f"{SECOND} .turn.assistant .content", "A city")
    await compared.until(f"{SECOND} .ending", "cached")
    await compared.click("#compare")
    await compared.until_gone(SECOND)
    await compared.run("location.reload()")
    await compared.until(f"{FIRST} .model-state", "Ready")
    await compared.click("#compare")
    await compared.until(f"{SECOND} .turn.assistant .content", "A city")
    assert await compared.run(f"return document.querySelector('{SECOND} [name=model]').value") == OTHER


async def test_it_goes_out_and_in_with_its_chat(page, bridge, tmp_path):
    pane = {"model": "", "mode": "chat", "stream": True, "system": "", "fields": {}}
    panes = [{**pane, "turns": [{"role": "user", "content": text}]} for text in ("one", "two")]
    chat = {"updatedAt": 1, "panes": panes[:1], "aside": panes[1]}
    file = tmp_path / "chats.json"
    file.write_text(json.dumps({"kind": "runstream-conversations", "version": 1, "conversations": [chat]}))
    await page.open(bridge.url)
    await page.until(".model-state", "Ready")
    page.browser.find_element(By.ID, "import-file").send_keys(str(file))
    await page.click("#conversation-list .open")
    await page.until(".turn.user .content", "one")
    await page.click("#compare")
    await page.until(f"{SECOND} .turn.user .content", "two")


@pytest.mark.parametrize(("width", "is_stacked"), [(690, True), (1100, False)])
async def test_where_there_is_little_room_they_are_below_each_other(page, bridge, width, is_stacked):
    await page.open(bridge.url, width)
    await page.until(".model-state", "Ready")
    await page.click("#compare")
    await page.until(f"{SECOND} .model-state", "Ready")
    first, second = await page.run(
        "return [...document.querySelectorAll('.pane')].map((pane) => [pane.offsetLeft, pane.offsetTop])"
    )
    assert (first[0] == second[0], first[1] < second[1]) == (is_stacked, is_stacked)
    assert await page.run("return document.documentElement.scrollWidth") <= width
