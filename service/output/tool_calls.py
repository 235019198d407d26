"""Tool calls in a model's text: JSON objects that name a tool and hold its arguments.

Llama 3.1 was trained to write `{"name": "f", "parameters": {...}}`, and in practice writes all that `_call` accepts.
The same form is asked of models that were trained for none.
"""

import json
import re
import uuid
from collections.abc import Collection, Generator, Set
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from service.errors import InvalidRequestError
from service.requests.json_text import MAX_DEPTH, read_object

# A reader gets a character at each `yield`. It has ended with the last one that it needs.
_T = TypeVar("_T")
_Reading: TypeAlias = Generator[None, str, _T]

_TAG = "<|python_tag|>"
_SPACE = " \t\r\n"
_SEPARATORS = _SPACE + ";,"
_SCALAR = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null")
_SCALAR_CHARACTERS = frozenset("+-.0123456789Eaeflnrstu")

_KEYS = frozenset({"type", "name", "function", "parameters", "arguments"})
_KEYS_OF_FUNCTION = frozenset({"name", "parameters", "arguments"})
_ONLY_ONE_OF = ({"type"}, {"name", "function"}, {"parameters", "arguments"})


def _new_id() -> str:
    return f"chatcmpl-tool-{uuid.uuid4().hex}"


@dataclass(frozen=True, slots=True)
class FoundCall:
    """A call that a model makes.

    Attributes:
        name: The tool's name.
        arguments_json: A JSON object, as the model has written it.
        id: One that no other call has.
    """

    name: str
    arguments_json: str
    id: str = field(default_factory=_new_id, compare=False)


class _NotACallError(Exception):
    """What has been read can't become a call any more."""


class ToolCallSearch:
    """Finds the calls that a completion begins with, in a text that comes in pieces.

    Calls may follow each other with white space, `;` or `,` between them, or stand in an array; before each there may
    be white space and Llama's tag. Text is held back only while it can still become a call; from the first that can't,
    everything comes back at once, or if it stands behind a call, never: whoever calls a tool says nothing else. So
    neither the pieces nor their number make a difference.

    Args:
        names: The tools' names; without any, everything comes back at once.

    Attributes:
        calls: Those found so far.
        has_rest: Whether something else stands behind them, which may be the beginning of another.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.calls: list[FoundCall] = []
        self.has_rest = False
        self._names = frozenset(names)
        self._held: list[str] = []
        self._is_over = not names
        self._reader = self._read()
        next(self._reader)

    def push(self, text: str) -> str:
        """The text that is not part of a call, and can't become one."""
        if self._is_over:
            return "" if self.has_rest else text
        for num_read, character in enumerate(text, 1):
            self._held.append(character)
            try:
                self._reader.send(character)
            except _NotACallError:
                self._is_over = True
                self.has_rest = bool(self.calls)
                return "" if self.has_rest else "".join(self._held) + text[num_read:]
        return ""

    def flush(self) -> str:
        """The text held back, once no text follows: the beginning of a call, or white space."""
        if self._is_over:
            return ""
        self._is_over = True
        held = "".join(self._held)
        self.has_rest = bool(self.calls and held.strip(_SEPARATORS))
        return "" if self.calls else held

    def _read(self) -> _Reading[None]:
        while True:
            character = yield from self._beginning()
            if character == "{":
                calls = [(yield from self._call(_KEYS))]
            elif character == "[":
                calls = yield from self._array_of_calls()
            else:
                raise _NotACallError
            self.calls += calls
            self._held.clear()

    def _beginning(self) -> _Reading[str]:
        """The first character behind white space and a tag."""
        character = yield from _skip(_SEPARATORS if self.calls else _SPACE)
        if character != _TAG[0]:
            return character
        for expected in _TAG[1:]:
            _expect(expected, (yield))
        return (yield from _skip())

    def _array_of_calls(self) -> _Reading[list[FoundCall]]:
        calls = []
        character = ","
        while character == ",":
            _expect("{", (yield from _skip()))
            calls.append((yield from self._call(_KEYS)))
            character = yield from _skip()
        _expect("]", character)
        return calls

    def _call(self, keys: frozenset[str]) -> _Reading[FoundCall]:
        """Reads `{"name": ..., "parameters": {...}}`, `{"type": "function", "function": {...}}` and what lies between.

        Args:
            keys: Which keys it may have.
        """
        name = arguments_json = None
        character = ","
        while character == ",":
            _expect('"', (yield from _skip()))
            key = yield from _word(keys)
            keys = keys.difference(*(group for group in _ONLY_ONE_OF if key in group))
            _expect(":", (yield from _skip()))
            character = yield from _skip()
            if key == "function" and character == "{":
                function = yield from self._call(_KEYS_OF_FUNCTION)
                name, arguments_json = function.name, function.arguments_json
                keys = keys & {"type"}
            elif key in ("parameters", "arguments"):
                arguments_json = yield from self._arguments(character)
            else:
                _expect('"', character)
                word = yield from _word({"function"} if key == "type" else self._names)
                name = name if key == "type" else word
            character = yield from _skip()
        _expect("}", character)
        if name is None or arguments_json is None:
            raise _NotACallError
        return FoundCall(name, arguments_json)

    def _arguments(self, character: str) -> _Reading[str]:
        """Reads an object, the text of one, or null for none."""
        begin = len(self._held) - 1
        match character:
            case "{":
                yield from _object(1)
                return _checked("".join(self._held[begin:]))
            case '"':
                yield from _string()
                return _checked(json.loads("".join(self._held[begin:])))
            case _:
                _expect("n", character)
                for expected in "ull":
                    _expect(expected, (yield))
                return "{}"


def _checked(text: str) -> str:
    """The text of an object, if every client can read it."""
    try:
        text.encode()
        read_object(text, "arguments")
    except (InvalidRequestError, UnicodeEncodeError):
        raise _NotACallError from None
    return text.strip(_SPACE)


def _expect(expected: str, character: str) -> None:
    if character != expected:
        raise _NotACallError


def _skip(skipped: str = _SPACE) -> _Reading[str]:
    """The first character that is not skipped."""
    while (character := (yield)) in skipped:
        pass
    return character


def _word(words: Set[str]) -> _Reading[str]:
    """Reads one of some words and the quotation mark behind it."""
    word = ""
    while (character := (yield)) != '"':
        word += character
        if not any(expected.startswith(word) for expected in words):
            raise _NotACallError
    if word not in words:
        raise _NotACallError
    return word


def _value(character: str, depth: int) -> _Reading[str]:
    """Reads a value that begins with a character, and the first one behind it that is no white space."""
    match character:
        case '"':
            yield from _string()
        case "{":
            yield from _object(depth + 1)
        case "[":
            yield from _array(depth + 1)
        case _:
            character = yield from _scalar(character)
            return character if character not in _SPACE else (yield from _skip())
    return (yield from _skip())


def _object(depth: int) -> _Reading[None]:
    """Reads an object behind its brace."""
    if depth > MAX_DEPTH:
        raise _NotACallError
    character = yield from _skip()
    if character == "}":
        return
    while True:
        _expect('"', character)
        yield from _string()
        _expect(":", (yield from _skip()))
        character = yield from _value((yield from _skip()), depth)
        if character == "}":
            return
        _expect(",", character)
        character = yield from _skip()


def _array(depth: int) -> _Reading[None]:
    """Reads an array behind its bracket."""
    if depth > MAX_DEPTH:
        raise _NotACallError
    character = yield from _skip()
    if character == "]":
        return
    while True:
        character = yield from _value(character, depth)
        if character == "]":
            return
        _expect(",", character)
        character = yield from _skip()


def _string() -> _Reading[None]:
    """Reads a string behind its quotation mark."""
    while (character := (yield)) != '"':
        if character < " ":
            raise _NotACallError
        if character == "\\":
            escaped = yield
            for _ in range(4 if escaped == "u" else 0):
                if (yield) not in "0123456789abcdefABCDEF":
                    raise _NotACallError
            if escaped not in '"\\/bfnrtu':
                raise _NotACallError


def _scalar(character: str) -> _Reading[str]:
    """Reads a number, true, false or null, and the first character behind it."""
    text = ""
    while character in _SCALAR_CHARACTERS:
        text += character
        character = yield
    if not _SCALAR.fullmatch(text):
        raise _NotACallError
    return character
