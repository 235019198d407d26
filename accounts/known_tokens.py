"""The tokens that are known, and which account a call with one of them acts for."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from accounts.tokens import MAX_TOKEN_CHARACTERS, Token, hash_token, to_text

_KEY_BYTES: Final = 32


class TokenError(Exception):
    """A token does not let in."""


class UnknownTokenError(TokenError):
    """No line is for it."""


class ExpiredTokenError(TokenError):
    """Its time is over; the text says since when, for who holds it."""


class WrongAccountError(TokenError):
    """It is good, but not for the account that is named."""


class Tokens(Protocol):
    """Where tokens are looked up."""

    def find(self, token: str) -> tuple[Token, ...]:
        """The lines of a token that a client shows, those that have expired included; none if it is not known."""
        ...

    def now(self) -> float:
        """The time by which they expire, in seconds since 1970."""
        ...


class KnownTokens:
    """Tokens that stay what they are.

    The time that a look takes tells nothing about any of them: they are found by a keyed hash of their own hash, whose
    key no client knows, and not by comparing.

    Args:
        tokens: The lines, in the order in which they count.
        clock: Tells the time, in seconds since 1970.
    """

    def __init__(self, tokens: Iterable[Token], clock: Callable[[], float] = time.time) -> None:
        self.now = clock
        self.all = tuple(tokens)
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._lines: dict[bytes, tuple[Token, ...]] = {}
        for token in self.all:
            place = self._place(token.sha256)
            self._lines[place] = (*self._lines.get(place, ()), token)

    def find(self, token: str) -> tuple[Token, ...]:
        """The lines of a token that a client shows; none if it is not known."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            return ()
        return self._lines.get(self._place(hash_token(token)), ())

    def _place(self, sha256: str) -> bytes:
        return hmac.digest(self._key, sha256.encode(), hashlib.sha256)


def valid_lines(tokens: Tokens, token: str) -> list[Token]:
    """The lines of a token that let in now, at least one.

    Raises:
        UnknownTokenError, ExpiredTokenError: There is none.
    """
    lines = tokens.find(token)
    if not lines:
        raise UnknownTokenError("the token is not known")
    now = tokens.now()
    valid = [line for line in lines if not line.is_expired(now)]
    if not valid:
        raise _expired(lines)
    return valid


def line_for(tokens: Tokens, token: str, account: str | None) -> Token:
    """The line by which a token lets a call in.

    Args:
        tokens: Those that there are.
        token: What the client shows.
        account: The account that it names; None if it names none, then the first line counts.

    Raises:
        UnknownTokenError, ExpiredTokenError, WrongAccountError: There is none.
    """
    valid = valid_lines(tokens, token)
    if account is None:
        return valid[0]
    for line in sorted(valid, key=lambda line: line.is_peer):  # its own account's before any
        if line.is_peer or line.account == account:
            return line
    if expired := [line for line in tokens.find(token) if line.account == account]:
        raise _expired(expired)
    raise WrongAccountError("the token is another account's")


def _expired(lines: Iterable[Token]) -> ExpiredTokenError:
    last = max(line.expires for line in lines if line.expires)
    return ExpiredTokenError(f"the token has expired at {to_text(last)}")
