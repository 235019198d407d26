"""Texts that others have chosen, cut for a line of a log."""

import re
from typing import Final

MAX_CHARACTERS: Final = 200

_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def clipped(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """The text, or its beginning and how many characters are left out."""
    if len(text) <= max_characters:
        return text
    return f"{text[:max_characters]}… and {len(text) - max_characters} characters more"


def without_control(text: str) -> str:
    """The text with a sign in place of each character that could move a terminal's cursor."""
    return _CONTROL.sub("�", text)
