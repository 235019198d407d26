"""Python's literals, read a character at a time and emitted as JSON that means the same."""

import json
import re

from service.output.tool_formats.json_values import MAX_SCALAR_CHARACTERS, check_depth, hex_digits, is_text, low_half
from service.output.tool_formats.reading import SPACE, Emit, NotACallError, Reading, expect, nothing, skip
from service.requests.json_text import finite

_NAMES = {"True": "true", "False": "false", "None": "null", "true": "true", "false": "false", "null": "null"}
_NUMBER = re.compile(r"[+]?(-?)(0|[1-9]\d*|(?=\.\d))(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_SCALAR_CHARACTERS = frozenset("+-.0123456789eE").union("".join(_NAMES))

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v", "\n": ""}
_ESCAPED_AS_THEY_ARE = "\\'\""
_NUM_DIGITS = {"x": 2, "u": 4, "U": 8}
_OCTAL = frozenset("01234567")


def python_value(character: str, depth: int, emit: Emit) -> Reading[str]:
    """Reads a value that begins with a character, and the first one behind it that is no white space."""
    match character:
        case '"' | "'":
            character = yield from python_string(character, emit)
        case "{":
            check_depth(depth + 1)
            emit("{")
            yield from python_items(depth + 1, emit)
            emit("}")
            return (yield from skip())
        case "[" | "(":
            yield from _sequence("]" if character == "[" else ")", depth + 1, emit)
            return (yield from skip())
        case _:
            character = yield from _scalar(character, emit)
    return character if character not in SPACE else (yield from skip())


def python_items(depth: int, emit: Emit, *, is_first: bool = True, key_read: Emit = nothing) -> Reading[bool]:
    """Reads the items of a dictionary behind its brace, and the brace that ends it; emits neither brace.

    Args:
        depth: How deep it lies, counted from 1.
        emit: Takes the items.
        is_first: Whether none is emitted before them.
        key_read: Is called behind each key.

    Returns:
        Whether still none is emitted.
    """
    character = yield from skip()
    while character != "}":
        if character not in "\"'":
            raise NotACallError
        if not is_first:
            emit(", ")
        is_first = False
        character = yield from python_string(character, emit)
        expect(":", character if character not in SPACE else (yield from skip()))
        emit(": ")
        key_read(":")
        character = yield from python_value((yield from skip()), depth, emit)
        if character == ",":
            character = yield from skip()
        else:
            expect("}", character)
    return is_first


def python_string(quote: str, emit: Emit) -> Reading[str]:
    """Reads a string behind its first quotation mark, and the first character behind it.

    Within three quotation marks it may have line breaks and single ones.
    """
    character = yield
    if character == quote:
        character = yield
        if character != quote:
            emit('""')
            return character
        return (yield from _long_string(quote, emit))
    emit('"')
    while character != quote:
        if character == "\\":
            emit(_as_json((yield from _escaped())))
        elif is_text(character):
            emit(_as_json(character))
        else:
            raise NotACallError
        character = yield
    emit('"')
    return (yield)


def _long_string(quote: str, emit: Emit) -> Reading[str]:
    """Reads a string behind its first three quotation marks, and the first character behind it."""
    emit('"')
    num_quotes = 0
    while num_quotes < 3:
        character = yield
        if character == quote:
            num_quotes += 1
            continue
        emit(_as_json(quote * num_quotes))
        num_quotes = 0
        if character == "\\":
            emit(_as_json((yield from _escaped())))
        elif is_text(character) or character in SPACE:
            emit(_as_json(character))
        else:
            raise NotACallError
    emit('"')
    return (yield)


def _as_json(text: str) -> str:
    """A text as it stands in a string of JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _escaped() -> Reading[str]:
    """What an escape stands for, read behind its backslash; as in Python, one that is none is what is written."""
    kind = yield
    if kind in _ESCAPES:
        return _ESCAPES[kind]
    if kind in _ESCAPED_AS_THEY_ARE:
        return kind
    if kind in _NUM_DIGITS:
        return (yield from _by_number(_NUM_DIGITS[kind]))
    if kind in _OCTAL or kind == "N" or not is_text(kind):
        raise NotACallError  # nobody writes these; to read them takes looking ahead, or names of characters
    return "\\" + kind


def _by_number(num_digits: int) -> Reading[str]:
    """A character of which digits tell the number; of two halves of a surrogate pair, both are read."""
    digits = yield from hex_digits(num_digits)
    if int(digits, 16) > 0x10FFFF:
        raise NotACallError
    low = yield from low_half(digits)
    return str(json.loads(f'"\\u{digits[-4:]}\\u{low}"')) if low else chr(int(digits, 16))


def _sequence(end: str, depth: int, emit: Emit) -> Reading[None]:
    """Reads a list or a tuple behind its bracket."""
    check_depth(depth)
    emit("[")
    character = yield from skip()
    is_first = True
    while character != end:
        if not is_first:
            emit(", ")
        is_first = False
        character = yield from python_value(character, depth, emit)
        if character == ",":
            character = yield from skip()
        else:
            expect(end, character)
    emit("]")


def _scalar(character: str, emit: Emit) -> Reading[str]:
    """Reads a number, True, False or None, and the first character behind it."""
    text = ""
    while character in _SCALAR_CHARACTERS and len(text) <= MAX_SCALAR_CHARACTERS:
        text += character
        character = yield
    emit(_NAMES[text] if text in _NAMES else _number(text))
    return character


def _number(text: str) -> str:
    """A number as JSON writes it.

    Raises:
        NotACallError: It is none, or too large.
    """
    match = _NUMBER.fullmatch(text)
    if not match or len(text) > MAX_SCALAR_CHARACTERS:
        raise NotACallError
    sign, whole, fraction, exponent = match.groups("")
    if fraction or exponent:
        try:
            finite(text)
        except ValueError:
            raise NotACallError from None
    fraction = fraction + "0" if fraction == "." else fraction
    return f"{sign}{whole or '0'}{fraction}{exponent}"
