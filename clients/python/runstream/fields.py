"""Sets fields of the contract's messages with errors that name them: protobuf's own don't."""

import json
import operator
import re
from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

MessageT = TypeVar("MessageT", bound=Message)

_MAX_SHOWN: Final = 100
_DIGITS: Final = re.compile("-?[0-9]+")


def filled(message: MessageT, **values: Any) -> MessageT:
    """Sets fields of a message that the caller calls as the contract does.

    Raises:
        TypeError: As for `set_field`.
        ValueError: As for `set_field`.
    """
    for field, value in values.items():
        set_field(message, field, value, field)
    return message


def set_field(message: Message, field: str, value: Any, name: str) -> None:
    """Sets a field of a message: a list where it is repeated, a dict where it is a map.

    Args:
        name: What the caller calls the field, such as "messages[2].role".

    Raises:
        TypeError: The value is of the wrong type.
        ValueError: The value does not fit, such as a text with half a character.
    """
    now = getattr(message, field)
    is_map, is_list = isinstance(now, MutableMapping), isinstance(now, MutableSequence)
    values = list_of(value, name) if is_list else value
    try:
        if is_map:
            now.update(_by_number(value))
        elif is_list:
            now.extend(values)
        elif isinstance(now, str) and not isinstance(value, str):
            raise TypeError("it is no text")
        else:
            setattr(message, field, value)
    except TypeError as error:
        raise TypeError(f"{name} can't be {shown(value)}: {error}") from None
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} can't be {shown(value)}: {error}") from None


def list_of(value: Any, name: str) -> list[Any]:
    """The values of a list, or of another iterable that is not one value by itself.

    Raises:
        TypeError: It is one value, such as a text.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"{name} is of type {type(value).__name__}: give a list")
    return list(value)


def json_text(value: Any, name: str) -> str:
    """Writes a value as JSON.

    Raises:
        TypeError: JSON has no such value.
        ValueError: It is not finite, has itself in it, or is nested too deep.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        raise TypeError(f"{name} can't be {shown(value)}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{name} can't be {shown(value)}: {error}") from None
    except RecursionError:
        raise ValueError(f"{name} is nested too deep for JSON") from None


def shown(value: object) -> str:
    """A value for a message: its beginning, or its type if it can't be written."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deep; an integer of very many digits
        text = f"of type {type(value).__name__}"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _by_number(values: Any) -> dict[int, Any]:
    if not isinstance(values, Mapping):
        raise TypeError("it is no dict")
    by_number = {_number(key): value for key, value in values.items()}
    if len(by_number) < len(values):
        raise ValueError("it has a key twice")
    return by_number


def _number(key: Any) -> int:
    # In JSON, keys are texts.
    if isinstance(key, str) and _DIGITS.fullmatch(key):
        return int(key)
    if isinstance(key, bool | str) or not hasattr(key, "__index__"):
        raise TypeError(f"its key {shown(key)} is no integer")
    return operator.index(key)
