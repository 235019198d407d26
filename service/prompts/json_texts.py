"""The texts within a JSON value."""

from collections.abc import Callable
from typing import Any


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with all its texts changed, also those that are keys."""
    match value:
        case str():
            return change(value)
        case dict():
            return {change(key): with_texts(item, change) for key, item in value.items()}
        case list():
            return [with_texts(item, change) for item in value]
        case _:
            return value
