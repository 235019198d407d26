"""A tool call on the page: shown as one, answered by the user, and followed by the model's next answer."""

import json

import pytest
from runstream.v1 import text_generation_pb2 as pb
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.fake_service import last_part, part

ENDING = ".turn.assistant .ending"
CALLS = [
    part(
        "",
        tool_calls=[
            pb.ToolCallDelta(index=0, id="call-1", name="get_weather", arguments_json='{"city":"New York"}'),
            pb.ToolCallDelta(index=1, id="call-2", name="get_time", arguments_json="{}"),
        ],
    ),
    last_part(finish_reason=pb.FINISH_REASON_TOOL_CALLS),
]


@pytest.fixture
async def called(page, bridge, service):
    """The page, once the model has called two tools."""
    service.parts = CALLS
    await page.open(bridge.url)
    await page.until(".fields", "temperature")
    await page.write("#message", "How is the weather?")
    await page.press(Keys.ENTER)
    await page.until(ENDING, "cached")
    return page


async def test_each_call_is_shown_with_its_arguments(called):
    assert await called.texts(".tool-call .called") == ["get_weather", "get_time"]
    assert await called.texts(".tool-call pre") == ['{\n  "city": "New York"\n}', "{}"]
    assert await called.texts(".tool-call .hljs-attr") == ['"city"']
    assert "get_weather, get_time" in await called.run("return document.getElementById('announcer').textContent")


async def test_results_are_sent_as_messages_of_the_tools_and_the_conversation_goes_on(called, service):
    service.parts = [part("Sunny"), last_part()]
    await called.write(".tool-call:nth-child(1) textarea", "sunny")
    await called.write(".tool-call:nth-child(2) textarea", "noon")
    await called.click(".send-results button")
    await called.until(".turn.assistant .content", "Sunny")
    await called.until(ENDING, "cached")
    said = service.requests[1].conversation.messages
    assert [message.role for message in said] == ["user", "assistant", "tool", "tool"]
    assert [(call.name, json.loads(call.arguments_json)) for call in said[1].tool_calls] == [
        ("get_weather", {"city": "New York"}),
        ("get_time", {}),
    ]
    assert [(message.name, message.content[0].text) for message in said[2:]] == [
        ("get_weather", "sunny"),
        ("get_time", "noon"),
    ]
    assert await called.texts(".turn.tool .role") == ["Tool get_weather", "Tool get_time"]
    # What has been answered is shown, and not asked again.
    assert len(await called.texts(".tool-call .called")) == 2
    assert await called.texts(".send-results") == []


async def test_a_result_that_is_missing_is_asked_for(called, service):
    await called.write(".tool-call:nth-child(1) textarea", "sunny")
    await called.chord(Keys.CONTROL, Keys.ENTER)
    assert len(service.requests) == 1
    assert await called.run("return document.activeElement.getAttribute('aria-label')") == "Result of get_time"


async def test_calls_are_still_there_when_the_page_is_opened_again(called):
    await called.run("location.reload()")
    assert await called.until(".tool-call .called") == "get_time"
    await called.write(".tool-call:nth-child(2) textarea", "noon")


def test_the_demo_model_calls_a_tool_and_goes_on_after_its_result(running_stack, browser):
    def find(selector):
        return browser.find_element(By.CSS_SELECTOR, selector)

    def until(condition):
        return WebDriverWait(browser, 60, poll_frequency=0.1).until(lambda _: condition())

    def answered(number):
        return len(browser.find_elements(By.CSS_SELECTOR, ".turn.assistant:not(.running)")) == number

    browser.set_window_size(1280, 900)
    browser.get(running_stack.url)
    until(lambda: find(".fields").text)
    find('[name="edit-tools"]').click()
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "dialog[open] .examples button"))
    find("dialog[open] .examples button").click()
    find("dialog[open] [type=submit]").click()
    find('[name="tool-choice"] option[value="required"]').click()
    find("#message").send_keys("How is the weather?", Keys.ENTER)
    until(lambda: answered(1))
    assert find(".tool-call .called").text == "get_weather"
    assert '"city"' in find(".tool-call pre").text
    find('[name="tool-choice"] option[value="none"]').click()
    find(".tool-call textarea").send_keys("sunny")
    find(".send-results button").click()
    until(lambda: answered(2))
    assert find(".turn:last-child .content").text
    assert not browser.find_elements(By.CSS_SELECTOR, ".ending .failure")
