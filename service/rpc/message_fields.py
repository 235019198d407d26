"""Counts the fields of a message on the wire, before any of it is made.

protobuf makes an object of each entry of a list. 16 MiB can hold 8 million empty entries: these would take 550 MB, and
a second in which the event loop stands still. Format: https://protobuf.dev/programming-guides/encoding
"""

from functools import cache

from google.protobuf.descriptor import Descriptor

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SKIPPED = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10


def has_more_fields(message: bytes, kind: Descriptor, limit: int) -> bool:
    """Whether a message has more fields than a number, those of messages in it and unknown ones counted.

    Args:
        message: Any bytes; of those that are no message it is told whether there are more before they end.
        kind: What it is to be parsed as.
        limit: The number. Half a microsecond is taken for each field, up to this many.
    """
    num_fields = 0
    inner = [(0, len(message), kind)]
    while inner:
        place, end, kind = inner.pop()
        kinds = _messages_in(kind)
        while place < end:
            num_fields += 1
            if num_fields > limit:
                return True
            tag, place = message[place], place + 1
            if tag >= 0x80:
                tag, place = _varint(message, place - 1)
            if tag & 7 == _LENGTH:
                length, place = _varint(message, place)
                if tag >> 3 in kinds:
                    inner.append((place, min(place + length, end), kinds[tag >> 3]))
                place += length
            elif tag & 7 == _VARINT:
                _, place = _varint(message, place)
            else:
                place += _SKIPPED.get(tag & 7, 0)
    return False


@cache
def _messages_in(kind: Descriptor) -> dict[int, Descriptor]:
    return {field.number: field.message_type for field in kind.fields if field.message_type is not None}


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """The number that begins at a place, and the place behind it: that of the message's end if it is none."""
    number = 0
    for index, byte in enumerate(message[place : place + _MAX_VARINT_BYTES]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, place + index + 1
    return number, len(message)
