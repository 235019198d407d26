"""The playground for those who don't see it or use no pointer: what axe-core finds in each state, and the keyboard."""

import math
from functools import partial

import pytest
from runstream.v1 import text_generation_pb2 as pb
from selenium.webdriver.common.keys import Keys

from accounts.tokens import Token, hash_token
from tests.support.accessibility import serious_violations
from tests.support.fake_service import last_part, part

ENDING = ".turn.assistant .ending"
SAID = "# Title\n\n- one\n- [two](https://a.example/)\n\n```py\nx = 'y'  # z\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
CALL = pb.ToolCallDelta(index=0, id="call-1", name="get_weather", arguments_json='{"city": "New York", "days": 2}')


def likely(probability):
    """A token that was as likely as that, and another one."""
    top = [pb.TopLogprob(token=b"b", logprob=math.log(0.01))]
    return pb.TokenLogprob(token=b"a ", logprob=math.log(probability), top=top)


@pytest.fixture
async def chat(page, bridge):
    """The page, opened, with a model that answers."""
    await page.open(bridge.url)
    await page.until(".fields", "temperature")
    return page


async def send(page, text="where is new york?"):
    await page.write("#message", text)
    await page.press(Keys.ENTER)
    await page.until(f"{ENDING}:not(:empty)")


async def say(page, service):
    service.parts = [part(SAID), last_part()]
    await send(page)


async def call(page, service):
    service.parts = [part("", tool_calls=[CALL]), last_part(finish_reason=pb.FINISH_REASON_TOOL_CALLS)]
    await send(page)


async def colour(page, service):
    tokens = [likely(probability) for probability in (0.95, 0.6, 0.3, 0.1, 0.01)]
    service.parts = [part("a a a a a", logprobs=tokens), last_part()]
    await page.click('[name="logprobs"]')
    await send(page)
    await page.run("document.querySelector('.tokens [role=option]').focus()")
    await page.until(".token-tip")


async def answer_in_json(page, service):
    service.answer.text = '{"a": [1, true, "b"]}'
    await page.click('[name="format"] option[value="json_object"]')
    await send(page)


async def show_code(page, _service):
    await page.click("#code")
    await page.until("#code-text")


async def edit_schema(page, _service):
    await page.click('[name="format"] option[value="json_schema"]')
    await page.write("dialog[open] textarea", "{")
    await page.click("dialog[open] [type=submit]")
    await page.until("dialog[open] .fault")


async def edit_tools(page, _service, *, view):
    await page.click('[name="edit-tools"]')
    for _ in range(2):
        await page.click("dialog[open] .examples button")
    await page.click('dialog[open] [name="remove"]')
    await page.click(f'dialog[open] [value="{view}"]')


async def compare(page, service):
    await say(page, service)
    await page.click("#compare")
    await page.until(".pane:nth-child(2) .model-state", "Ready")
    await page.click('.pane:nth-child(2) [name="settings"]')


async def do_nothing(_page, _service):
    pass


STATES = {
    "empty": do_nothing,
    "a conversation": say,
    "a tool call": call,
    "tokens": colour,
    "JSON": answer_in_json,
    "code": show_code,
    "a schema": edit_schema,
    "tools": partial(edit_tools, view="list"),
    "tools as JSON": partial(edit_tools, view="json"),
    "compare": compare,
}


async def assert_accessible(page):
    """Asks axe-core in both themes."""
    for theme in ("light", "dark"):
        await page.run("document.documentElement.dataset.theme = arguments[0]", theme)
        assert serious_violations(page.browser) == []


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
async def test_axe_finds_nothing_serious(chat, service, state):
    await state(chat, service)
    await assert_accessible(chat)


async def test_axe_finds_nothing_serious_where_a_token_is_asked_for(page, start_bridge):
    bridge = await start_bridge(tokens=(Token("acc", hash_token("secret"), "test"),))
    await page.open(bridge.url)
    await page.write("#token", "wrong")
    await page.press(Keys.ENTER)
    await page.until("#token-reason", "token")
    await assert_accessible(page)


async def tab_to(page, condition, key=Keys.TAB):
    """Goes on to the first control for which an expression of its element `e` holds."""
    for _ in range(100):
        if await page.run(f"const e = document.activeElement; return {condition}"):
            return
        if key == Keys.TAB:
            await page.press(Keys.TAB)
        else:
            await page.chord(Keys.SHIFT, Keys.TAB)
    pytest.fail(f"no control with {condition} is reached by the keyboard")


async def test_from_the_load_to_a_tool_s_result_by_the_keyboard_alone(chat, service):
    # A tool is made,
    await tab_to(chat, "e.name === 'edit-tools'", "back")
    await chat.press(Keys.ENTER)
    await chat.until("dialog[open]")
    await tab_to(chat, "e.textContent === 'Weather'")
    await chat.press(Keys.ENTER)
    assert await chat.run("return document.activeElement.value") == "get_weather"
    await tab_to(chat, "e.textContent === 'Use'")
    await chat.press(Keys.ENTER)
    await chat.until_gone("dialog[open]")
    assert await chat.run("return document.activeElement.name") == "edit-tools"
    # a message is sent and its answer stopped,
    service.gate.clear()
    await tab_to(chat, "e.id === 'message'")
    await chat.press("one", Keys.ENTER)
    await chat.until(".turn.assistant .content", "New")
    await chat.press(Keys.ESCAPE)
    await chat.until(ENDING, "Stopped.")
    await service.cancelled.wait()
    service.gate.set()
    # the next one answered by a call,
    service.parts = [part("", tool_calls=[CALL]), last_part(finish_reason=pb.FINISH_REASON_TOOL_CALLS)]
    assert await chat.run("return document.activeElement.id") == "message"
    await chat.press("two", Keys.ENTER)
    await chat.until(".tool-call .called", "get_weather")
    await chat.until(ENDING, "cached")
    # and that by a result.
    service.parts = [part("Sunny"), last_part()]
    await tab_to(chat, "e.ariaLabel === 'Result of get_weather'", "back")
    await chat.press("21 degrees")
    await chat.chord(Keys.CONTROL, Keys.ENTER)
    assert await chat.run("return document.activeElement.id") == "message"
    await chat.until(".turn.assistant .content", "Sunny")
    await chat.until(ENDING, "cached")
    said = [(message.role, message.content[0].text) for message in service.requests[2].conversation.messages[-1:]]
    assert said == [("tool", "21 degrees")]
    assert [tool.name for tool in service.requests[2].tools] == ["get_weather"]


async def test_the_beginning_and_the_end_of_an_answer_are_announced_and_not_each_token(chat, service):
    await chat.run(
        "window.said = []; new MutationObserver(() => said.push(announcer.textContent)).observe(announcer, "
        "{childList: true, characterData: true, subtree: true})"
    )
    await send(chat)
    assert await chat.run("return said") == ["The model is answering.", "The answer is complete."]
    assert await chat.run("return document.querySelector('.turns').ariaLive") is None
