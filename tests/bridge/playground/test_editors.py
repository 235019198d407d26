"""Asking for JSON and tools on the page: what the editors take, what they refuse and why, and what is then sent."""

import json

import grpc
import pytest
from runstream.v1 import text_generation_pb2 as pb
from selenium.webdriver.common.keys import Keys

from tests.support.fake_service import failure

ENDING = ".turn.assistant .ending"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FAULT = "dialog[open] .fault"
TEXT = "dialog[open] textarea"
USE = "dialog[open] [type=submit]"


@pytest.fixture
async def chat(page, bridge, service):
    """The page, opened, with a model that answers."""
    await page.open(bridge.url)
    await page.until(".fields", "temperature")
    return page


async def send(page, text="where is new york?"):
    await page.write("#message", text)
    await page.press(Keys.ENTER)
    return await page.until(f"{ENDING}:not(:empty)")


async def use_schema(page, text):
    await page.click('[name="format"] option[value="json_schema"]')
    await page.write(TEXT, text)
    await page.click(USE)


async def test_json_of_a_schema_is_asked_for_whole_and_shown_with_lines_and_colours(chat, service):
    service.answer.text = '{"city":"New York","districts":[5]}'
    await use_schema(chat, json.dumps(SCHEMA))
    await chat.until(".setting .note", "Workers AI does not stream it")
    assert "first token" not in await send(chat)
    assert json.loads(service.request.response_format.json_schema) == SCHEMA
    shown = await chat.until(".turn.assistant pre code", "New York")
    assert shown == json.dumps(json.loads(service.answer.text), indent=2)
    assert await chat.texts(".turn.assistant .hljs-attr") == ['"city"', '"districts"']


async def test_any_object_can_be_asked_for_and_text_again(chat, service):
    service.answer.text = "{}"
    await chat.click('[name="format"] option[value="json_object"]')
    await send(chat)
    assert service.requests[0].response_format.HasField("json_object")
    await chat.click('[name="format"] option[value=""]')
    await chat.click(".turn.assistant .turn-tools button:first-child")
    await chat.until(ENDING, "first token")
    assert not service.requests[1].HasField("response_format")


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('{"type": "object",\n}', 2, "a name in double quotes is expected, not “}”"),
        ('{\n"type"\n"object"}', 3, "“:” after the name is expected"),
        ('{"type": "object"', 1, "“,” or “}” is expected, not the end"),
        ('{"type": objekt}', 1, "a value is expected, not “objekt”"),
        ("5", 0, "A JSON Schema is an object in braces"),
    ],
)
async def test_what_is_no_schema_is_told_with_its_line_and_not_taken(chat, service, text, line, reason):
    await use_schema(chat, text)
    told = await chat.until(FAULT, reason)
    assert told.startswith(f"Line {line}: ") == bool(line)
    assert await chat.run(f"return document.querySelector('{TEXT}').getAttribute('aria-invalid')") == "true"
    await chat.press(Keys.ESCAPE)
    await chat.until_gone("dialog[open]")
    assert await chat.run("return document.querySelector('[name=format]').value") == ""


async def test_examples_can_be_inserted_and_are_schemas_that_are_taken(chat, service):
    service.answer.text = "{}"
    await chat.click('[name="format"] option[value="json_schema"]')
    await chat.click("dialog[open] .examples button")
    inserted = json.loads(await chat.run(f"return document.querySelector('{TEXT}').value"))
    await chat.click(USE)
    await send(chat)
    assert json.loads(service.request.response_format.json_schema) == inserted


async def test_what_the_bridge_says_of_a_schema_stands_where_it_is_set_and_edited(chat, service):
    words = "'objekt' is no type"
    service.status = failure(
        grpc.StatusCode.INVALID_ARGUMENT, "FORMAT_UNSATISFIABLE", words, field="response_format.json_schema"
    )
    await use_schema(chat, '{"type": "objekt"}')
    ending = await send(chat)
    assert words in ending
    told = await chat.until('.setting:has([name="format"]) .problem', words)
    assert told in ending
    await chat.click('[name="edit-schema"]')
    assert await chat.until("dialog[open] .problem", words) == told
    await chat.click("dialog[open] .examples button")
    await chat.click(USE)
    await chat.until_gone(".setting .problem")


async def test_what_the_bridge_says_of_tools_stands_where_they_are_set(chat, service):
    words = "'/tools/0/parameters' is no schema"
    service.parts, service.status = [], failure(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", words)
    await chat.click('[name="edit-tools"]')
    await chat.click("dialog[open] .examples button")
    await chat.click(USE)
    ending = await send(chat)
    assert await chat.until('.setting:has([name="edit-tools"]) .problem', "/tools/0/parameters") in ending
    assert len(await chat.texts(".setting .problem")) == 1


async def test_tools_are_listed_and_sent_with_the_one_that_must_be_called(chat, service):
    await chat.click('[name="edit-tools"]')
    await chat.click('dialog[open] [name="add"]')
    await chat.write('dialog[open] [name="tool-name"]', "get_weather")
    await chat.write('dialog[open] [name="tool-description"]', "Tells the weather.")
    await chat.write("dialog[open] .tool-list textarea", json.dumps(SCHEMA))
    await chat.click(USE)
    await chat.until(".tool-names", "get_weather")
    await chat.click('[name="tool-choice"] option[value=":get_weather"]')
    await send(chat)
    (tool,) = service.request.tools
    assert (tool.name, tool.description) == ("get_weather", "Tells the weather.")
    assert json.loads(tool.parameters_json) == SCHEMA
    assert service.request.tool_choice.name == "get_weather"


@pytest.mark.parametrize(
    ("value", "mode"), [("none", pb.TOOL_CHOICE_MODE_NONE), ("required", pb.TOOL_CHOICE_MODE_REQUIRED)]
)
async def test_how_free_the_model_is_can_be_chosen(chat, service, value, mode):
    await chat.click('[name="edit-tools"]')
    await chat.click("dialog[open] .examples button")
    await chat.click(USE)
    await chat.click(f'[name="tool-choice"] option[value="{value}"]')
    await send(chat)
    assert service.request.tool_choice.mode == mode
    await chat.click('[name="tool-choice"] option[value="auto"]')
    await chat.click(".turn.assistant .turn-tools button:first-child")
    await chat.until(ENDING, "cached")
    assert not service.requests[1].HasField("tool_choice")


async def test_all_tools_can_be_edited_as_json_and_back(chat, service):
    await chat.click('[name="edit-tools"]')
    await chat.click("dialog[open] .examples button")
    await chat.click('dialog[open] [value="json"]')
    (tool,) = json.loads(await chat.run("return document.querySelector('dialog[open] .tools-json textarea').value"))
    other = {"type": "function", "function": {"name": "other"}}
    await chat.write("dialog[open] .tools-json textarea", json.dumps([tool, other]))
    await chat.click('dialog[open] [value="list"]')
    names = await chat.run(
        "return [...document.querySelectorAll('dialog[open] [name=\"tool-name\"]')].map((i) => i.value)"
    )
    assert names == [tool["name"], "other"]
    await chat.click(USE)
    await send(chat)
    assert [tool.name for tool in service.request.tools] == names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{}", "Line 1: here “,” or “]” is expected, not the end."),
        ("{}", "Tools are a list in brackets."),
        ("[{}]", "Tool 1: It has no name."),
        ('[{"name": "a b"}]', "Tool 1: A name has 1 to 256 letters"),
        ('[{"name": "a", "parameters": 5}]', "Tool 1: Parameters are a JSON Schema"),
        ('[{"name": "a"}, {"type": "function", "function": {"name": "a"}}]', "Two tools have the name a."),
    ],
)
async def test_what_are_no_tools_is_told_and_not_taken(chat, text, words):
    await chat.click('[name="edit-tools"]')
    await chat.click('dialog[open] [value="json"]')
    await chat.write("dialog[open] .tools-json textarea", text)
    await chat.click(USE)
    await chat.until(FAULT, words)
    assert await chat.texts(".tool-names") == ["None"]


@pytest.mark.parametrize(("name", "words"), [("a b", "1 to 256 letters"), ("", "1 to 256 letters")])
async def test_a_tool_without_a_good_name_is_pointed_at(chat, name, words):
    await chat.click('[name="edit-tools"]')
    await chat.click('dialog[open] [name="add"]')
    await chat.write('dialog[open] [name="tool-name"]', name)
    await chat.click(USE)
    wrong = "return document.querySelector('dialog[open] [name=\"tool-name\"]').validationMessage"
    assert words in await chat.run(wrong)


async def test_a_choice_goes_with_its_tool(chat, service):
    await chat.click('[name="edit-tools"]')
    await chat.click("dialog[open] .examples button")
    await chat.click(USE)
    await chat.click('[name="tool-choice"] option:last-child')
    await chat.click('[name="edit-tools"]')
    await chat.click('dialog[open] [name="remove"]')
    await chat.click(USE)
    await chat.until_gone('[name="tool-choice"]')
    await send(chat)
    assert (list(service.request.tools), service.request.HasField("tool_choice")) == ([], False)


async def test_a_raw_prompt_goes_without_tools(chat, service):
    await chat.click('[name="edit-tools"]')
    await chat.click("dialog[open] .examples button")
    await chat.click(USE)
    await chat.click('[name="mode"][value="raw"]')
    await send(chat)
    assert (service.request.prompt.raw, list(service.request.tools)) == (True, [])
