"""Files and standard input, read no further than the service would take."""

import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from runstream.terminal.failures import Failure


def read_file(path: Path, max_bytes: int, advice: str) -> str:
    """Reads a text.

    Args:
        max_bytes: The most bytes that it may have. A larger file is not read.
        advice: What to say of one that is larger.

    Raises:
        Failure: It can't be read, is too large, or is no UTF-8.
    """
    try:
        with path.open("rb") as file:
            return _read(file, str(path), max_bytes, advice)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}: give a file that can be read") from None


def read_stdin(max_bytes: int) -> str:
    """Reads standard input to its end.

    Raises:
        Failure: It is too large, or no UTF-8.
    """
    return _read(sys.stdin.buffer, "standard input", max_bytes, "ask about less at once")


def _read(file: BinaryIO, name: str, max_bytes: int, advice: str) -> str:
    status = os.fstat(file.fileno())
    too_large = Failure(f"{name} has more than the {max_bytes:,} bytes that are taken: {advice}")
    if stat.S_ISREG(status.st_mode) and status.st_size > max_bytes:
        raise too_large
    content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise too_large
    return decoded(content, name)


def decoded(content: bytes, name: str) -> str:
    """The text of bytes.

    Raises:
        Failure: They are no UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Failure(f"{name} is not UTF-8 at byte {error.start}: convert it, as with iconv") from None
