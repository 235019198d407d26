"""Hermes' and Qwen's calls: `<tool_call>{"name": "f", "arguments": {...}}</tool_call>`, one or several in a pair."""

from service.output.tool_formats.json_calls import json_call
from service.output.tool_formats.reading import CallSink, Reading, expect, skip, token
from service.output.tool_formats.special_tokens import END_OF_TOOL_CALL


def hermes(sink: CallSink) -> Reading[None]:
    """Reads calls behind `<tool_call>`, and the tag that ends them."""
    character = yield from skip()
    expect("{", character)
    while character == "{":
        yield from json_call(sink)
        character = yield from skip()
    yield from token([END_OF_TOOL_CALL], character)
