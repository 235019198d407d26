"""Padding hides how long the text of an event is."""

import json

from bridge.workers_ai.events import PADDING, padding
from tests.support.fake_service import part
from tests.support.running_bridge import PROMPT

STREAM = {**PROMPT, "stream": True}


def events_of(body):
    *events, done = body.decode().removesuffix("\n\n").split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


async def test_without_the_flag_nothing_is_padded(bridge):
    assert b'"p":' not in (await bridge.run(STREAM)).body


async def test_with_the_flag_texts_are_padded_and_nothing_else(start_bridge, service):
    bridge = await start_bridge(pad_events=True)
    service.parts.insert(0, part("", tool_calls=[{"name": "add", "arguments_json": "{}"}]))
    events = events_of((await bridge.run(STREAM)).body)
    assert [list(event) for event in events] == [
        ["response", "p"],
        ["response", "p"],
        ["response", "tool_calls"],
        ["response", "usage", "finish_reason"],
    ]


def test_the_padding_is_of_random_length():
    paddings = [padding() for _ in range(2000)]
    assert {len(text) for text in paddings} == set(range(2, 51))
    assert all(PADDING.startswith(text) for text in paddings)
