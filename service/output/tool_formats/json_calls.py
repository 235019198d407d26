"""Calls as JSON objects that name a tool and hold its arguments: the envelope that several families share.

Llama 3.1 was trained to write `{"name": "f", "parameters": {...}}`, and in practice writes all that is read here. The
same form is asked of models that were trained for none; these, like Gemma 3, often put it in a fenced block.
"""

import json

from service.errors import InvalidRequestError
from service.output.tool_formats.json_values import json_object, json_string
from service.output.tool_formats.reading import (
    SEPARATORS,
    SPACE,
    CallSink,
    NotACallError,
    Reading,
    expect,
    nothing,
    skip,
    token,
    word,
)
from service.output.tool_formats.special_tokens import PYTHON_TAG, SHOWN
from service.requests.json_text import read_object

_KEYS = frozenset({"type", "name", "function", "parameters", "arguments"})
_KEYS_OF_FUNCTION = frozenset({"name", "parameters", "arguments"})
_ONLY_ONE_OF = ({"type"}, {"id"}, {"name", "function"}, {"parameters", "arguments"})


def llama3_json(sink: CallSink) -> Reading[None]:
    """Reads calls that follow each other with white space, `;` or `,` between them, or stand in an array.

    Before each there may be Llama's tag or the beginning of a fenced block.
    """
    character = yield from fences((yield from skip()))
    while True:
        if character in ("<", SHOWN[PYTHON_TAG]):
            sink.begin()
            yield from token([PYTHON_TAG], character)
            character = yield from skip()
        match character:
            case "{":
                yield from json_call(sink)
            case "[":
                yield from json_calls(sink)
            case _:
                raise NotACallError
        character = yield from fences((yield from skip(SEPARATORS)), SEPARATORS)


def fences(character: str, skipped: str = SPACE) -> Reading[str]:
    """The first character behind the beginnings and ends of fenced blocks, if a first one begins one."""
    while character == "`":
        expect("`", (yield))
        expect("`", (yield))
        while (character := (yield)).isalnum() or character == "_":
            pass
        if character in skipped:
            character = yield from skip(skipped)
    return character


def json_calls(sink: CallSink, keys: frozenset[str] = _KEYS) -> Reading[None]:
    """Reads an array of calls behind its bracket."""
    character = ","
    while character == ",":
        sink.begin()
        expect("{", (yield from skip()))
        yield from json_call(sink, keys)
        character = yield from skip()
    expect("]", character)


def json_call(sink: CallSink, keys: frozenset[str] = _KEYS) -> Reading[None]:
    """Reads `{"name": ..., "parameters": {...}}` and all that means the same, behind its brace.

    Args:
        sink: Gets the call: as it is written if the name comes first and the arguments are an object, else at once.
        keys: Which keys it may have.
    """
    sink.begin()
    call = _Call(sink)
    yield from _members(call, keys)
    call.finish()
    sink.end()


class _Call:
    """A call that is being read."""

    def __init__(self, sink: CallSink) -> None:
        self._sink = sink
        self.names = sink.names
        self.name = ""
        self._arguments_json = ""
        self._is_sent = False

    def arguments(self, character: str) -> Reading[None]:
        """Reads an object, the text of one, or null for none."""
        if self.name and character == "{":
            self._sink.open(self.name)
            yield from json_object(1, self._sink.add, key_read=lambda _: self._sink.send())
            self._sink.close()
            self._is_sent = True
            return
        pieces: list[str] = []
        match character:
            case "{":
                yield from json_object(1, pieces.append)
                self._arguments_json = "".join(pieces)
            case '"':
                yield from json_string(pieces.append)
                self._arguments_json = _checked(json.loads("".join(pieces)))
            case _:
                expect("n", character)
                for expected in "ull":
                    expect(expected, (yield))
                self._arguments_json = "{}"

    def finish(self) -> None:
        """Sends the call if it has not been.

        Raises:
            NotACallError: It has no name, or no arguments.
        """
        if self._is_sent:
            return
        if not (self.name and self._arguments_json):
            raise NotACallError
        self._sink.open(self.name)
        self._sink.add(self._arguments_json)
        self._sink.close()


def _members(call: _Call, keys: frozenset[str]) -> Reading[None]:
    """Reads the members of a call, or of the function within it, and the brace behind them."""
    character = ","
    while character == ",":
        expect('"', (yield from skip()))
        key = yield from word(keys)
        keys = keys.difference(*(group for group in _ONLY_ONE_OF if key in group))
        expect(":", (yield from skip()))
        character = yield from skip()
        if key == "function" and character == "{":
            yield from _members(call, _KEYS_OF_FUNCTION)
            keys = keys & {"type", "id"}
        elif key in ("parameters", "arguments"):
            yield from call.arguments(character)
        else:
            expect('"', character)
            if key == "type":
                yield from word({"function"})
            elif key == "id":
                yield from json_string(nothing)
            else:
                call.name = yield from word(call.names)
        character = yield from skip()
    expect("}", character)


def _checked(text: str) -> str:
    """The text of an object, if every client can read it."""
    try:
        text.encode()
        read_object(text, "arguments")
    except (InvalidRequestError, UnicodeEncodeError):
        raise NotACallError from None
    return text.strip(SPACE)
