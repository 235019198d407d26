"""JSON, read a character at a time and emitted as it is written, so that what is emitted is never wrong so far."""

import re

from service.output.tool_formats.reading import SPACE, Emit, NotACallError, Reading, expect, skip
from service.requests.json_text import MAX_DEPTH, finite

_SCALAR = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null", re.ASCII)
_SCALAR_CHARACTERS = frozenset("+-.0123456789Eaeflnrstu")
_HEX = frozenset("0123456789abcdefABCDEF")

MAX_SCALAR_CHARACTERS = 1_024
"""The most digits of a number; many readers of JSON take no more than some thousands."""


def json_object(depth: int, emit: Emit, *, key_read: Emit | None = None) -> Reading[None]:
    """Reads an object behind its brace.

    Args:
        depth: How deep it lies, counted from 1.
        emit: Takes the object's text, whose brace is the first of it.
        key_read: Is called once the first key is read.
    """
    check_depth(depth)
    emit("{")
    character = yield from skip(emit=emit)
    while character != "}":
        expect('"', character)
        yield from json_string(emit)
        character = yield from skip(emit=emit)
        expect(":", character)
        emit(character)
        if key_read is not None:
            key_read(character)
        character = yield from json_value((yield from skip(emit=emit)), depth, emit)
        if character == ",":
            emit(character)
            character = yield from skip(emit=emit)
            expect('"', character)
        else:
            expect("}", character)
    emit(character)


def json_value(character: str, depth: int, emit: Emit) -> Reading[str]:
    """Reads a value that begins with a character, and the first one behind it that is no white space."""
    match character:
        case '"':
            yield from json_string(emit)
        case "{":
            yield from json_object(depth + 1, emit)
        case "[":
            yield from _array(depth + 1, emit)
        case _:
            character = yield from _scalar(character, emit)
            if character not in SPACE:
                return character
            emit(character)
    return (yield from skip(emit=emit))


def json_string(emit: Emit) -> Reading[None]:
    """Reads a string behind its quotation mark."""
    emit('"')
    while (character := (yield)) != '"':
        if character == "\\":
            yield from _escaped(emit)
            continue
        if not is_text(character):
            raise NotACallError
        emit(character)
    emit('"')


def is_text(character: str) -> bool:
    """Whether a character may stand in a string of JSON as it is."""
    return character >= " " and not "\ud800" <= character <= "\udfff"


def hex_digits(number: int) -> Reading[str]:
    """Reads some digits of hexadecimal numbers."""
    digits = ""
    for _ in range(number):
        digits += yield
        if digits[-1] not in _HEX:
            raise NotACallError
    return digits


def low_half(high: str) -> Reading[str]:
    """Reads the escape that must follow the first half of a surrogate pair; its digits.

    Args:
        high: The digits of a UTF-16 unit.

    Returns:
        The digits of the second half; empty if the unit is a character of its own.
    """
    if not 0xD800 <= int(high, 16) <= 0xDFFF:
        return ""
    if int(high, 16) >= 0xDC00:
        raise NotACallError
    expect("\\", (yield))
    expect("u", (yield))
    low = yield from hex_digits(4)
    if not 0xDC00 <= int(low, 16) <= 0xDFFF:
        raise NotACallError
    return low


def check_depth(depth: int) -> None:
    """Checks how deep a value lies.

    Raises:
        NotACallError: Deeper than any may.
    """
    if depth > MAX_DEPTH:
        raise NotACallError


def _array(depth: int, emit: Emit) -> Reading[None]:
    """Reads an array behind its bracket."""
    check_depth(depth)
    emit("[")
    character = yield from skip(emit=emit)
    while character != "]":
        character = yield from json_value(character, depth, emit)
        if character == ",":
            emit(character)
            character = yield from skip(emit=emit)
            expect_value(character)
        else:
            expect("]", character)
    emit(character)


def expect_value(character: str) -> None:
    """Checks that a character behind a comma does not end the array.

    Raises:
        NotACallError: It does.
    """
    if character == "]":
        raise NotACallError


def _escaped(emit: Emit) -> Reading[None]:
    """Reads what an escape is behind its backslash."""
    kind = yield
    if kind == "u":
        high = yield from hex_digits(4)
        low = yield from low_half(high)
        emit(f"\\u{high}" + (f"\\u{low}" if low else ""))
    elif kind in '"\\/bfnrt':
        emit(f"\\{kind}")
    else:
        raise NotACallError


def _scalar(character: str, emit: Emit) -> Reading[str]:
    """Reads a number, true, false or null, and the first character behind it."""
    text = ""
    while character in _SCALAR_CHARACTERS and len(text) <= MAX_SCALAR_CHARACTERS:
        text += character
        character = yield
    match = _SCALAR.fullmatch(text)
    if not match or len(text) > MAX_SCALAR_CHARACTERS:
        raise NotACallError
    if match[2] or match[3]:
        try:
            finite(text)
        except ValueError:
            raise NotACallError from None
    emit(text)
    return character
