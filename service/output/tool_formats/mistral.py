"""Mistral's calls: `[TOOL_CALLS] [{"name": "f", "arguments": {...}}]`, and since 2025 `[TOOL_CALLS]f[ARGS]{...}`."""

from service.output.tool_formats.json_calls import json_call, json_calls
from service.output.tool_formats.json_values import json_object
from service.output.tool_formats.reading import CallSink, NotACallError, Reading, expect, skip, token
from service.output.tool_formats.special_tokens import ARGS, CALL_ID

_KEYS = frozenset({"name", "arguments", "id"})
_MAX_ID_CHARACTERS = 64


def mistral(sink: CallSink) -> Reading[None]:
    """Reads what stands behind `[TOOL_CALLS]`: an array of calls, one alone, or a name and its arguments."""
    character = yield from skip()
    match character:
        case "[":
            yield from json_calls(sink, _KEYS)
        case "{":
            yield from json_call(sink, _KEYS)
        case _:
            yield from _named(character, sink)


def _named(character: str, sink: CallSink) -> Reading[None]:
    """Reads `f[ARGS]{...}`, also with an id before the arguments or without the marker, from its first character."""
    sink.begin()
    name = ""
    while any(known.startswith(name + character) for known in sink.names):
        name += character
        character = yield
    if name not in sink.names:
        raise NotACallError
    sink.open(name)
    character = yield from _before_arguments(character)
    expect("{", character)
    yield from json_object(1, sink.add, key_read=lambda _: sink.send())
    sink.close()


def _before_arguments(character: str) -> Reading[str]:
    """The first character of the arguments, behind markers that begin with a character."""
    if character == "{":
        return character
    if (yield from token([ARGS, CALL_ID], character)) == CALL_ID:
        for _ in range(_MAX_ID_CHARACTERS):
            if not (character := (yield)).isalnum():
                break
        yield from token([ARGS], character)
    return (yield from skip())
