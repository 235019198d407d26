"""JSON that clients send as text: reading it within limits."""

import json
import math

from service.errors import InvalidRequestError

MAX_SCHEMA_CHARACTERS = 65_536
MAX_DEPTH = 64


def read_object(text: str, field: str) -> dict[str, object]:
    """The object that a field holds as JSON.

    Raises:
        InvalidRequestError: It holds something else, is nested deeper than `MAX_DEPTH` levels, or holds what no prompt
            can: a number that is not finite, or half a character.
    """
    try:
        value = json.loads(text, parse_float=finite, parse_constant=finite)
        is_too_deep = depth(value) > MAX_DEPTH
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        is_too_deep = True
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{field} has half of a surrogate pair", field) from None
    except ValueError as error:
        raise InvalidRequestError(f"{field} can't be read: {error}", field) from None
    if is_too_deep:
        raise InvalidRequestError(f"{field} is nested deeper than {MAX_DEPTH} levels", field)
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{field} must be a JSON object", field)
    return value


def depth(value: object) -> int:
    """How deep objects and arrays are nested in a JSON value."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)


def finite(literal: str) -> float:
    """A number, unless it is NaN or infinite, also by its size.

    Raises:
        ValueError: It is.
    """
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"{literal} is not a finite number")
    return number
