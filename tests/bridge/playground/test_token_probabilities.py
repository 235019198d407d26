"""Log probabilities on the page: the colours of tokens, their alternatives for pointer, keyboard and screen reader."""

import math

import pytest
from runstream.v1 import text_generation_pb2 as pb
from selenium.webdriver.common.keys import Keys

from tests.support.fake_service import last_part, part

ENDING = ".turn.assistant .ending"
TOKEN = ".tokens [role=option]"


def token(text, probability, **others):
    """A token with its probability, and others with theirs."""
    likely = {text: probability, **others}
    top = [pb.TopLogprob(token=name.encode(), logprob=math.log(share)) for name, share in likely.items()]
    return pb.TokenLogprob(token=text.encode(), logprob=math.log(probability), top=top)


@pytest.fixture
async def chat(page, bridge, service):
    """The page, opened, with the switch on, before a model that tells what it was sure of."""
    service.parts = [
        part("New", logprobs=[token("New", 0.97, Old=0.02)]),
        part(" York", logprobs=[token(" York", 0.6, **{" Delhi": 0.35})]),
        part("!?", logprobs=[token("!", 0.3), token("?", 0.1)]),
        part("\n", logprobs=[token("\n", 0.01)]),
        last_part(),
    ]
    await page.open(bridge.url)
    await page.until(".fields", "temperature")
    await page.click('[name="logprobs"]')
    return page


async def send(page):
    await page.write("#message", "where is new york?")
    await page.press(Keys.ENTER)
    return await page.until(ENDING, "cached")


async def levels(page):
    """The text of each token, and the number of its colour."""
    script = """
        const tokens = [...document.querySelectorAll(arguments[0])];
        return tokens.map((token) => [token.textContent, token.className.match(/level-(.)/)[1]])"""
    return await page.run(script, TOKEN)


async def test_each_token_has_the_colour_of_its_probability(chat, service):
    ending = await send(chat)
    assert await levels(chat) == [["New", "0"], [" York", "1"], ["!", "2"], ["?", "3"], ["\n", "4"]]
    assert "first token" in ending
    assert service.request.sampling_params.top_logprobs == 5
    assert await chat.texts(".legend li") == ["90 % and more", "50–90 %", "20–50 %", "5–20 %", "under 5 %"]


async def test_the_colours_can_be_told_apart_and_read_in_light_and_dark(chat):
    await send(chat)
    script = """
        const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
        return [...document.querySelectorAll('.legend li')].map((item) => {
            const style = getComputedStyle(item);
            const empty = style.backgroundColor === 'rgba(0, 0, 0, 0)';
            const ground = empty ? getComputedStyle(document.body).backgroundColor : style.backgroundColor;
            return [channels(style.color), channels(ground), style.borderBottomStyle + style.borderBottomWidth];
        })"""
    for theme in ("light", "dark"):
        await chat.run("document.documentElement.dataset.theme = arguments[0]", theme)
        shown = await chat.run(script)
        assert all(contrast(text, ground) >= 4.5 for text, ground, _ in shown)
        assert len({tuple(ground) for _, ground, _ in shown}) == len({line for *_, line in shown}) == len(shown)


def contrast(one, other):
    """WCAG's contrast ratio of two colours with channels from 0 to 255."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    shares = [channel / 255 for channel in colour]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


async def test_alternatives_are_shown_for_the_keyboard_and_told_to_screen_readers(chat):
    await send(chat)
    await chat.run(f"document.querySelector('{TOKEN}').focus()")
    assert await chat.until(".token-tip") == "New\n97.0 %\nOld\n2.0 %"
    await chat.press(Keys.ARROW_RIGHT)
    assert await chat.until(".token-tip", "York") == "␣York\n60.0 %\n␣Delhi\n35.0 %"
    told = "const t = document.activeElement; return [t.ariaLabel, t.ariaDescription, t.ariaSelected]"
    assert await chat.run(told) == ["York, 60.0 %", "Instead: Delhi 35.0 %", "true"]
    await chat.press(Keys.END)
    assert await chat.run(told) == ["line break, 1.0 %", None, "true"]
    await chat.press(Keys.HOME, Keys.ARROW_LEFT)
    assert await chat.run("return document.activeElement.textContent") == "New"
    await chat.press(Keys.ESCAPE)
    await chat.until_gone(".token-tip")


async def test_the_tokens_are_one_stop_of_the_tab_key(chat):
    await send(chat)
    stops = (
        f"return [...document.querySelectorAll('{TOKEN}')].filter((t) => t.tabIndex === 0).map((t) => t.textContent)"
    )
    assert await chat.run(stops) == ["New"]
    await chat.run(f"document.querySelectorAll('{TOKEN}')[1].focus()")
    assert await chat.run(stops) == [" York"]
    await chat.press(Keys.TAB)
    assert await chat.run("return document.activeElement.textContent") == "As text"
    await chat.until_gone(".token-tip")


async def test_alternatives_are_shown_for_the_pointer(chat):
    await send(chat)
    await chat.click(f"{TOKEN}:nth-child(2)")
    await chat.until(".token-tip", "␣Delhi")


async def test_the_answer_can_be_read_as_text(chat, service):
    service.parts = [part("**New**", logprobs=[token("**New**", 0.5)]), last_part()]
    await send(chat)
    await chat.click(".legend button")
    assert await chat.texts(".turn.assistant .content strong") == ["New"]
    assert await chat.texts(".tokens") == []
    await chat.click(".legend button")
    assert await chat.texts(".tokens") == ["**New**"]


async def test_an_answer_that_is_edited_is_shown_as_it_is_sent_without_the_tokens_that_it_was(chat, service):
    await send(chat)
    for text, tokens in (("New York!?\n", 5), ("A city", 0)):
        await chat.click(".turn.assistant .turn-tools button:nth-child(2)")
        assert await chat.run("return document.querySelector('.turn.assistant textarea').value") == "New York!?\n"
        await chat.write(".turn.assistant textarea", text)
        await chat.click(".turn.assistant .content .changing")
        assert len(await chat.texts(TOKEN)) == tokens
    await chat.until(".turn.assistant .content", "A city")
    await chat.write("#message", "and paris?")
    await chat.press(Keys.ENTER)
    await chat.until(".turn:nth-child(4) .ending", "cached")
    assert service.requests[1].conversation.messages[1].content[0].text == "A city"


async def test_a_raw_prompt_has_them_as_well(chat, service):
    await chat.write('[name="top-logprobs"]', "20")
    await chat.click('[name="mode"][value="raw"]')
    await send(chat)
    assert (service.request.prompt.raw, service.request.sampling_params.top_logprobs) == (True, 5)
    assert [text for text, _ in await levels(chat)] == ["New", " York", "!", "?", "\n"]


@pytest.mark.parametrize("number", ["0", "3"])
async def test_how_many_are_told_can_be_chosen(chat, service, number):
    await chat.write('[name="top-logprobs"]', number)
    await send(chat)
    assert service.request.sampling_params.top_logprobs == int(number)


async def test_an_answer_that_comes_whole_has_them_as_well(chat, service):
    service.answer.logprobs.extend([token("New", 0.97), token(" York", 0.1)])
    await chat.click('[name="stream"]')
    await send(chat)
    assert await levels(chat) == [["New", "0"], [" York", "3"]]


async def test_what_is_json_is_streamed_with_them(chat, service):
    service.parts = [part("{}", logprobs=[token("{}", 0.97)]), last_part()]
    await chat.click('[name="format"] option[value="json_object"]')
    assert "first token" in await send(chat)
    assert service.request.response_format.HasField("json_object")


async def test_tool_calls_are_told_with_them(chat, service):
    call = pb.ToolCallDelta(index=0, id="call-1", name="get_time", arguments_json='{"zone":')
    rest = pb.ToolCallDelta(index=0, arguments_json='"UTC"}')
    service.parts = [
        part("", tool_calls=[call]),
        part("", tool_calls=[rest]),
        last_part(finish_reason=pb.FINISH_REASON_TOOL_CALLS),
    ]
    await send(chat)
    assert await chat.texts(".tool-call pre") == ['{\n  "zone": "UTC"\n}']


async def test_without_the_switch_none_are_asked_for(chat, service):
    await chat.click('[name="logprobs"]')
    await send(chat)
    assert not service.request.sampling_params.HasField("top_logprobs")
    assert await chat.texts(".turn.assistant .content") == ["New York!?"]


async def test_they_are_kept_with_the_conversation(chat):
    await send(chat)
    before = await levels(chat)
    await chat.run("location.reload()")
    await chat.until(".tokens")
    assert await levels(chat) == before
