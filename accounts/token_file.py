"""The file in which tokens stand, read again whenever it changes.

A token file has a line for each token: the account, the SHA-256 of the token in hexadecimal, and a name that logs show
for it, with spaces between them. Before the name may stand when it expires and its limits. Empty lines and lines that
begin with "#" are skipped:

    # account   sha256                                                            name
    my-account  2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b  laptop
    my-account  9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  expires=2027-01-31T00:00:00Z phone
    *           60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752  bridge

A token that may be used for several accounts has a line for each. `python -m bridge token new` writes such lines.
"""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from accounts.known_tokens import KnownTokens
from accounts.tokens import Token, read_line

MAX_FILE_BYTES: Final = 4 << 20
MAX_LINES: Final = 20_000

HOW_TO_WRITE_ONE: Final = "write one with `python -m bridge token new`"

_LOOK_EVERY_S: Final = 1.0

_logger = logging.getLogger(__name__)

# What changes of a file that is written anew, or that another one takes the place of.
_Stamp = tuple[int, int, int, int]


class TokenFileError(ValueError):
    """A token file can't be used; the text says what to change."""


class TokenFile:
    """Tokens of a file. A changed file counts within a second; one that can't be used is logged, and the old one stays.

    Args:
        path: The file.
        more: Tokens besides those that it holds.
        clock: Tells the time, in seconds since 1970.
        look_every_s: How often it looks at most whether the file has changed.

    Raises:
        TokenFileError: It can't be used, or has no token.
    """

    def __init__(
        self,
        path: Path,
        more: Iterable[Token] = (),
        clock: Callable[[], float] = time.time,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self.now = clock
        self._path = path
        self._more = tuple(more)
        self._look_every_s = look_every_s
        self._stamp = _stamp(path)
        tokens = read_token_file(path)
        if not tokens:
            raise TokenFileError(f"{path} has no token: {HOW_TO_WRITE_ONE}")
        self._known = self._with_more(tokens)
        self._looked_at = time.monotonic()

    def find(self, token: str) -> tuple[Token, ...]:
        """The lines of a token that a client shows, as the file has them now; none if it is not known."""
        if time.monotonic() - self._looked_at >= self._look_every_s:
            self._look()
        return self._known.find(token)

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            tokens = read_token_file(self._path)
        except TokenFileError as error:
            _logger.warning("the tokens before stay in use: %s", error)
            return
        self._known = self._with_more(tokens)
        if tokens:
            _logger.info("%d tokens are read again from %s", len(tokens), self._path)
        else:
            _logger.warning("%s has no token any more: it lets nobody in", self._path)

    def _with_more(self, tokens: Iterable[Token]) -> KnownTokens:
        return KnownTokens((*tokens, *self._more), self.now)


def read_token_file(path: Path) -> tuple[Token, ...]:
    """Reads a token file, which may have no token.

    Raises:
        TokenFileError: It can't be read, is too large, or a line is none of a token file.
    """
    lines = _text_of(path).splitlines()
    if len(lines) > MAX_LINES:
        raise TokenFileError(
            f"{path} has {len(lines)} lines, and may have {MAX_LINES}: remove tokens that have expired"
        )
    tokens = []
    for number, line in enumerate(map(str.strip, lines), start=1):
        if is_token(line):
            try:
                tokens.append(read_line(line))
            except ValueError as error:
                told = f"{path}, line {number}: {error}"
                raise TokenFileError(told + (_ADVICE if len(line.split()) == 1 else "")) from None
    return tuple(tokens)


# The service's token file once held its one token, and nothing else.
_ADVICE: Final = ". If it is a token: `python -m bridge hash-token '*' NAME` writes the line of one that a bridge shows"


def is_token(line: str) -> bool:
    """Whether a line, without white space around it, is none of those that are skipped."""
    return bool(line) and not line.startswith("#")


def _text_of(path: Path) -> str:
    """What a token file holds; editors and shells of Windows begin it with a byte order mark."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise TokenFileError(f"{path} has more than {MAX_FILE_BYTES} bytes: is it a token file?")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TokenFileError(f"{path} is not UTF-8: save it in that encoding") from None
    except FileNotFoundError:
        raise TokenFileError(f"there is no token file {path}: {HOW_TO_WRITE_ONE}") from None
    except OSError as error:
        raise TokenFileError(f"the token file {path} can't be read: {error.strerror}") from None


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size
