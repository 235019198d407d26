"""Chatting on the page in a real browser, with a service that answers what a test tells it to."""

import json

import pytest
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb
from selenium.webdriver.common.keys import Keys

from tests.support.fake_service import DEMO, last_part, part, running
from tests.support.page import ANSWER, ENDING, send


def messages_of(request):
    return [(message.role, message.content[0].text) for message in request.conversation.messages]


async def test_a_streamed_answer_grows(chat, service):
    service.gate.clear()
    await send(chat)
    assert await chat.until(ANSWER, "New") == "New"
    service.gate.set()
    await chat.until(ENDING, "cached")
    assert await chat.texts(ANSWER) == ["New York"]


async def test_speed_and_counts_are_told(chat, service):
    # Where all comes at once there is no speed.
    service.gate.clear()
    await send(chat)
    await chat.until(ANSWER, "New")
    service.gate.set()
    ending = await chat.until(ENDING, "cached")
    assert "first token" in ending
    assert "tokens/s" in ending
    assert "3 tokens" in ending
    assert "prompt 7, of it 2 cached" in ending


async def test_stop_cancels_the_call_and_keeps_what_has_come(chat, service):
    service.gate.clear()
    await send(chat)
    await chat.until(ANSWER, "New")
    await chat.click("#stop")
    await service.cancelled.wait()
    await chat.until(ENDING, "Stopped.")
    assert await chat.texts(ANSWER) == ["New"]
    await chat.until("#send")


async def test_an_answer_cut_by_max_tokens_says_so(chat, service):
    service.parts = [part("New"), last_part(finish_reason=pb.FINISH_REASON_LENGTH)]
    await send(chat)
    await chat.until(ENDING, "Cut by max_tokens")


async def test_what_is_sent_is_the_conversation_with_its_settings(chat, service):
    await chat.write('[name="system"]', "Be brief")
    await chat.run("document.querySelector('.field label').focus")
    temperature = await chat.run(
        "return [...document.querySelectorAll('label')].find((l) => l.textContent === 'temperature').htmlFor"
    )
    await chat.write(f"#{temperature}", "0.25")
    await send(chat, "one")
    await chat.until(ENDING, "cached")
    await send(chat, "two")
    await chat.until(".turn:nth-child(4) .ending", "cached")
    assert messages_of(service.requests[1]) == [
        ("system", "Be brief"),
        ("user", "one"),
        ("assistant", "New York"),
        ("user", "two"),
    ]
    assert service.requests[1].sampling_params.temperature == 0.25
    assert not service.requests[1].sampling_params.HasField("top_p")


async def test_a_parameter_out_of_its_range_is_not_sent(chat, service):
    seed = await chat.run(
        "return [...document.querySelectorAll('label')].find((l) => l.textContent === 'seed').htmlFor"
    )
    await chat.write(f"#{seed}", "0")
    await send(chat)
    assert await chat.run("return document.activeElement.id") == seed
    assert await chat.run("return document.getElementById('message').value") == "where is new york?"
    assert service.requests == []


async def test_an_answer_can_be_given_anew(chat, service):
    await send(chat)
    await chat.until(ENDING, "cached")
    service.parts = [part("A city"), last_part()]
    await chat.click(".turn.assistant .turn-tools button:first-child")
    await chat.until(ANSWER, "A city")
    assert len(await chat.texts(".turn")) == 2
    assert messages_of(service.requests[1]) == [("user", "where is new york?")]


async def test_a_turn_that_is_edited_is_asked_anew_without_what_followed(chat, service):
    await send(chat)
    await chat.until(ENDING, "cached")
    await chat.click(".turn.user .turn-tools button:first-child")
    await chat.write(".turn.user textarea", "where is paris?")
    await chat.chord(Keys.CONTROL, Keys.ENTER)
    await chat.until(ENDING, "cached")
    assert messages_of(service.requests[1]) == [("user", "where is paris?")]
    assert await chat.texts(".turn.user .content") == ["where is paris?"]


async def test_while_an_answer_runs_no_other_turn_can_be_changed_and_what_is_being_typed_stays(chat, service):
    await send(chat)
    await chat.until(ENDING, "cached")
    await chat.click(".turn.user .turn-tools button:first-child")
    await chat.write(".turn.user textarea", "where is paris?")
    service.gate.clear()
    await send(chat, "two")
    await chat.until(".turn:nth-child(4) .content", "New")
    disabled = "return [...document.querySelectorAll('.turn:not(.running) :disabled')].map((b) => b.textContent)"
    assert await chat.run(disabled) == ["Edit", "Send anew", "Regenerate", "Edit", "Edit"]
    await chat.run("document.querySelector('.turn.user textarea').focus()")
    await chat.chord(Keys.CONTROL, Keys.ENTER)
    assert await chat.run("return document.querySelector('.turn.user textarea').value") == "where is paris?"
    service.gate.set()
    await chat.until(".turn:nth-child(4) .ending", "cached")
    assert await chat.run(disabled) == []
    await chat.chord(Keys.CONTROL, Keys.ENTER)
    await chat.until(".turn.user .content", "where is paris?")
    await chat.until(ENDING, "cached")
    assert messages_of(service.requests[2]) == [("user", "where is paris?")]


async def test_a_raw_prompt_goes_to_the_model_as_it_is(chat, service):
    await chat.click('[name="mode"][value="raw"]')
    await send(chat, "New")
    await chat.until(ENDING, "cached")
    assert (service.request.prompt.text, service.request.prompt.raw) == ("New", True)


async def test_an_answer_that_is_not_streamed_comes_whole(chat, service):
    await chat.click('[name="stream"]')
    await send(chat)
    ending = await chat.until(ENDING, "cached")
    assert await chat.texts(ANSWER) == ["New York"]
    assert "first token" not in ending


@pytest.mark.parametrize(
    "text",
    [
        "<script>window.ran = 1</script>",
        "<img src=x onerror='window.ran = 1'>",
        "[x](javascript:window.ran=1)",
        "<svg onload='window.ran=1'>",
        "![x](http://127.0.0.1:1/x.png)",
    ],
)
async def test_markup_of_the_model_s_own_stays_text(chat, service, text):
    service.parts = [part(f"Look: **here** {text}"), last_part()]
    await send(chat)
    await chat.until(ENDING, "cached")
    assert await chat.texts(f"{ANSWER} strong") == ["here"]
    assert not await chat.run("return window.ran")
    found = "return document.querySelectorAll('.content :is(script, img, svg, a[href^=javascript])').length"
    assert await chat.run(found) == 0


async def test_markdown_becomes_elements_and_code_has_colours(chat, service):
    service.parts = [
        part("# Title\n\n- one\n- two\n\n```py\nx = 'y'"),
        part("\n```\n\n[link](https://a.example/)"),
        last_part(),
    ]
    await send(chat)
    await chat.until(ENDING, "cached")
    assert await chat.texts(f"{ANSWER} li") == ["one", "two"]
    assert await chat.texts(f"{ANSWER} pre .hljs-string") == ["'y'"]
    assert await chat.run("return document.querySelector('.content a').rel") == "noopener noreferrer"


async def test_a_model_s_id_may_have_any_characters(page, bridge, service):
    service.model.id = service.model.served_model = "@cf/me/a b?c#d%20e/f/é"
    await page.open(bridge.url)
    await page.until(".model-state", "Ready")
    await page.until(".fields", "temperature")
    await send(page)
    await page.until(ENDING, "cached")
    assert service.request.model == "@cf/me/a b?c#d%20e/f/é"


async def test_a_model_that_is_there_no_longer_is_told_with_the_one_that_is_chosen_instead(chat, service):
    other = models_pb2.Model(id="@cf/a/b", state=models_pb2.MODEL_STATE_READY, served_model="@cf/a/b")
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    service.other_models = [other]
    await chat.run(look)
    await chat.click('[name="model"] option[value="@cf/a/b"]')
    service.other_models = []
    await chat.run(look)
    told = await chat.until(".model-gone[role=alert]", "@cf/a/b")
    assert told == f"This server does not have @cf/a/b. {DEMO} is chosen instead."
    assert await chat.run("return document.querySelector('[name=model]').value") == DEMO
    service.other_models = [other]
    await chat.run(look)
    await chat.click('[name="model"] option[value="@cf/a/b"]')
    await chat.until_gone(".model-gone")


async def test_who_stands_in_is_told_before_and_after(page, bridge, service):
    service.model = models_pb2.Model(id="@cf/a/b", state=models_pb2.MODEL_STATE_READY, served_model=DEMO)
    await page.open(bridge.url)
    await page.until(".stand-in[role=alert]", f"{DEMO} answers instead")
    await send(page)
    await page.until(ENDING, f"Answered by {DEMO}")


async def test_a_model_that_is_being_loaded_says_how_far_it_is_and_becomes_ready(page, bridge, service):
    service.model.state, service.model.state_detail = models_pb2.MODEL_STATE_LOADING, "weights: 1.5 of 4.5 GB"
    await page.open(bridge.url)
    await page.until(".model-state", "weights: 1.5 of 4.5 GB")
    assert await page.run("const { value, max } = document.querySelector('progress'); return [value, max]") == [
        1.5,
        4.5,
    ]
    await send(page)
    await page.until(ENDING, "cached")
    service.model.state, service.model.state_detail = models_pb2.MODEL_STATE_READY, ""
    await page.until(".model-state", "Ready")


async def test_a_service_that_is_not_there_is_told_until_it_comes(page, start_bridge, service, tmp_path):
    socket = f"unix:{tmp_path}/service.sock"
    bridge = await start_bridge(service=socket)
    await page.open(bridge.url)
    await page.until("#unreachable[role=alert]", "service")
    async with running(service, socket):
        await page.until(".model-state", "Ready")
        await page.until_gone("#unreachable")


async def test_missing_weights_say_what_fetches_them(page, bridge, service):
    detail = "its weights are missing: run python -m service pull @cf/a/b"
    missing = models_pb2.Model(id="@cf/a/b", state=models_pb2.MODEL_STATE_WEIGHTS_MISSING, state_detail=detail)
    service.other_models = [missing]
    await page.open(bridge.url)
    await page.until(".model-state", "Ready")
    await page.click('[name="model"] option[value="@cf/a/b"]')
    await page.until(".model-trouble code", "python -m service pull @cf/a/b")


async def test_all_that_the_schema_says_of_a_parameter_is_shown(chat, bridge):
    answer = await bridge.ask("GET", f"/client/v4/accounts/local/ai/models/schema?model={DEMO}")
    properties = json.loads(answer.body)["result"]["input"]["oneOf"][1]["properties"]
    shown = dict(
        await chat.run(
            "return [...document.querySelectorAll('.field:has(.help)')].map((f) =>"
            " [f.querySelector('label').textContent, [f.querySelector('.help').textContent,"
            " f.querySelector('.range').textContent]])"
        )
    )
    elsewhere = {"messages", "raw", "stream", "response_format", "tools", "tool_choice", "options"}
    assert set(shown) == set(properties) - elsewhere
    assert shown["temperature"] == [properties["temperature"]["description"], "0 to 5, default 0.6"]


@pytest.mark.parametrize("answer", [">" * 20_000, "- " * 5_000 + "a"], ids=["quotes", "lists"])
async def test_an_answer_nested_by_the_thousands_is_shown_as_it_is(chat, service, answer):
    service.parts = [part(answer), last_part()]
    await send(chat)
    await chat.until(ENDING, "cached")
    assert await chat.run(f"return document.querySelector('{ANSWER}').textContent") == answer
    await chat.run("location.reload()")
    await chat.until(".model-state", "Ready")
    assert await chat.run(f"return document.querySelector('{ANSWER}').textContent") == answer
