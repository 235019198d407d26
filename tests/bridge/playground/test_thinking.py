"""What a model thinks, on the page: folded above its answer, kept with it, and never sent for it."""

import pytest

from tests.support.fake_service import last_part, part
from tests.support.page import ANSWER, ENDING, send

PARTS = [
    part("", reasoning_content="A city, "),
    part("", reasoning_content="*surely*."),
    part("New"),
    last_part(" York"),
]


@pytest.fixture
def service(service):
    service.parts = PARTS
    return service


async def test_thinking_is_folded_above_the_answer_and_opens(chat):
    await send(chat)
    await chat.until(ENDING, "cached")
    assert await chat.texts(ANSWER) == ["New York"]
    assert await chat.texts(".thinking") == ["Thinking"]
    await chat.click(".thinking summary")
    assert await chat.until(".thought") == "A city, *surely*."


async def test_an_answer_without_thinking_has_nothing_to_open(chat, service):
    service.parts = [part("New"), last_part(" York")]
    await send(chat)
    await chat.until(ENDING, "cached")
    assert await chat.texts(".thinking") == []


async def test_with_log_probabilities_thinking_is_apart_too(chat, service):
    await chat.click('[name="logprobs"]')
    await send(chat)
    await chat.until(ENDING, "cached")
    await chat.click(".thinking summary")
    assert await chat.until(".thought") == "A city, *surely*."


async def test_what_was_thought_stays_with_the_chat_and_out_of_the_next_question(chat, bridge, service):
    await send(chat)
    await chat.until(ENDING, "cached")
    await send(chat, "and old york?")
    await chat.until(".turn:nth-child(4) .ending", "cached")
    said = service.requests[1].conversation.messages
    assert [(message.content[0].text, message.reasoning_content) for message in said[1:2]] == [("New York", "")]
    await chat.run("location.reload()")
    await chat.click(".turn:nth-child(2) .thinking summary")
    assert await chat.until(".turn:nth-child(2) .thought") == "A city, *surely*."
