"""How much a log may hold of what others have chosen.

The access log clips each value that a client sends. The formatter is for what no call of ours sees: messages of
libraries, and the texts of exceptions, which quote whatever was wrong.
"""

import logging
import re
from typing import Final

MAX_CHARACTERS: Final = 200

# An access line has eight values.
MAX_MESSAGE_CHARACTERS: Final = 10 * MAX_CHARACTERS

MAX_TRACEBACK_LINES: Final = 200

CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def clipped(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """The text, or its beginning and how many characters are left out."""
    if len(text) <= max_characters:
        return text
    return f"{text[:max_characters]}… and {len(text) - max_characters} characters more"


class ClippingFormatter(logging.Formatter):
    """Formats records of any size. Lines of a traceback are indented: none can pass for a record."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The record's line."""
        return clipped(super().formatMessage(record), MAX_MESSAGE_CHARACTERS)

    def formatException(self, ei: "logging._SysExcInfoType") -> str:  # noqa: N802 - logging's own name
        """The traceback, each line of it clipped, and the middle left out where there are very many."""
        lines = [f"  {clipped(CONTROL.sub('�', line))}" for line in super().formatException(ei).splitlines()]
        left_out = len(lines) - MAX_TRACEBACK_LINES
        if left_out > 0:
            half = MAX_TRACEBACK_LINES // 2
            lines[half:-half] = [f"  … and {left_out} lines more"]
        return "\n".join(lines)
