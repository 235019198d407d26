"""Sets fields of the contract's messages with errors that name them: protobuf's own don't."""

from collections.abc import Mapping, Sequence
from typing import Any


def set_field(message: Any, field: str, value: Any, name: str) -> None:
    """Sets a field of a message.

    Args:
        name: What the caller calls the field, such as "messages[2].role".

    Raises:
        TypeError: The value is of the wrong type.
        ValueError: The value does not fit, such as a text with half a character.
    """
    try:
        if isinstance(value, Mapping):
            # In JSON, keys are texts.
            getattr(message, field).update({int(key): number for key, number in value.items()})
        elif isinstance(value, str | bytes) or not isinstance(value, Sequence):
            setattr(message, field, value)
        else:
            getattr(message, field).extend(value)
    except (TypeError, AttributeError) as error:
        raise TypeError(f"{name} can't be {_shown(value)}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{name} can't be {_shown(value)}: {error}") from None


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 100 else f"{shown[:100]}…"
