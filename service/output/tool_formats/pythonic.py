"""Llama 3.2's and Llama 4's calls, in Python's syntax: `[f(a=1, b="x"), g()]`."""

import json

from service.output.tool_formats.json_calls import fences
from service.output.tool_formats.json_values import is_text
from service.output.tool_formats.python_values import python_items, python_value
from service.output.tool_formats.reading import SEPARATORS, SPACE, CallSink, NotACallError, Reading, expect, skip, token
from service.output.tool_formats.special_tokens import PYTHON_END, PYTHON_START, PYTHON_TAG, SHOWN

_BEGINNINGS = (PYTHON_TAG, PYTHON_START)
_SHOWN = "".join(SHOWN[name] for name in (*_BEGINNINGS, PYTHON_END))
_OTHER_THAN_NAMES = frozenset(" \t\r\n=(),*'\"[]{}:")
_MAX_NAME_CHARACTERS = 256


def pythonic(sink: CallSink) -> Reading[None]:
    """Reads lists of calls; behind a tag or in a fenced block, as Gemma 3 writes them, also calls without a list."""
    first = yield from skip()
    character = yield from fences(first)
    is_marked = sink.is_marked or first == "`"
    while True:
        if character == "<" or character in _SHOWN:
            is_marked = (yield from token([*_BEGINNINGS, PYTHON_END], character)) in _BEGINNINGS
            character = yield from fences((yield from skip(SEPARATORS)), SEPARATORS)
            continue
        sink.begin()
        if character == "[":
            yield from _list(sink)
        elif is_marked:
            yield from _call(character, sink)
        else:
            raise NotACallError
        character = yield from fences((yield from skip(SEPARATORS)), SEPARATORS)


def _list(sink: CallSink) -> Reading[None]:
    """Reads calls behind their bracket."""
    character = yield from skip()
    while True:
        sink.begin()
        yield from _call(character, sink)
        character = yield from skip()
        if character == ",":
            character = yield from skip()
            if character != "]":
                continue
        expect("]", character)
        return


def _call(character: str, sink: CallSink) -> Reading[None]:
    """Reads a call from its first character on."""
    name = ""
    while character != "(":
        name += character
        if not any(known.startswith(name) for known in sink.names):
            raise NotACallError
        character = yield
    if name not in sink.names:
        raise NotACallError
    sink.open(name)
    sink.add("{")
    yield from _arguments(sink)
    sink.add("}")
    sink.close()


def _arguments(sink: CallSink) -> Reading[None]:
    """Reads arguments with their names, behind the parenthesis; `**{...}` has such as are no names in Python."""
    character = yield from skip()
    is_first = True
    while character != ")":
        if character == "*":
            expect("*", (yield))
            expect("{", (yield from skip()))
            is_first = yield from python_items(1, sink.add, is_first=is_first, key_read=lambda _: sink.send())
            character = yield from skip()
        else:
            name, character = yield from _name(character)
            sink.add(("" if is_first else ", ") + name + ": ")
            sink.send()
            is_first = False
            character = yield from python_value(character, 1, sink.add)
        if character == ",":
            character = yield from skip()
        else:
            expect(")", character)


def _name(character: str) -> Reading[tuple[str, str]]:
    """Reads an argument's name and the sign behind it: the name as JSON, and the first character of the value."""
    name = ""
    while character not in _OTHER_THAN_NAMES and is_text(character) and len(name) < _MAX_NAME_CHARACTERS:
        name += character
        character = yield
    expect("=", character if character not in SPACE else (yield from skip()))
    if not name:
        raise NotACallError
    return json.dumps(name, ensure_ascii=False), (yield from skip())
