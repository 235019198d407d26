"""A token: what a line of a token file says of it."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from accounts.limits import LIMIT_NAMES, Limits

# "/" would end the segment of a path that an account is, clients resolve "." and "..", and "*" stands for any.
ACCOUNT_PATTERN: Final = r"^(?!(?:\.{1,2}|\*)$)[!-.0-~]{1,128}$"
ACCOUNT: Final = re.compile(ACCOUNT_PATTERN)

# The account of a peer's token, and the one that it acts for while it names none.
ANY_ACCOUNT: Final = "*"
LOCAL_ACCOUNT: Final = "local"

# What is longer is no token, and is not hashed.
MAX_TOKEN_CHARACTERS: Final = 1024

_LINE: Final = re.compile(r"(?P<account>[!-~]{1,128})\s+(?P<sha256>[0-9a-f]{64})(?P<rest>(?:\s.*)?)")
_PAIR: Final = re.compile(r"([a-z-]+)=(\S*)(?:\s+|$)")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_EXPIRES: Final = "expires"


@dataclass(frozen=True)
class Token:
    """A line of a token file.

    Attributes:
        account: Whom it acts for; `ANY_ACCOUNT` is a trusted peer, which may name the account of each call.
        sha256: What `hash_token` makes of it.
        name: What logs show for it.
        expires: From when on it is refused, in UTC and whole seconds; None for never.
        limits: How much it may ask for.
    """

    account: str
    sha256: str
    name: str
    expires: datetime | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def is_peer(self) -> bool:
        """Whether it may name the account that it acts for."""
        return self.account == ANY_ACCOUNT

    def is_expired(self, now: float) -> bool:
        """Whether its time is over.

        Args:
            now: Seconds since 1970.
        """
        return self.expires is not None and self.expires.timestamp() <= now

    def __str__(self) -> str:
        """The line."""
        expires = f"{_EXPIRES}={to_text(self.expires)}" if self.expires else ""
        return " ".join(filter(None, (self.account, self.sha256, expires, str(self.limits), self.name)))


def hash_token(token: str) -> str:
    """A token's SHA-256 in hexadecimal. No salt: a token is random and long, not a password."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read_line(line: str) -> Token:
    """Reads a line of a token file, without white space around it.

    Raises:
        ValueError: It is none; the text says what to change, and repeats nothing that may be a token.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("not an account, a SHA-256 in hexadecimal and a name")
    pairs, name = _split_rest(match["rest"].strip())
    expires = pairs.pop(_EXPIRES, None)
    if unknown := sorted(pairs.keys() - set(LIMIT_NAMES)):
        known = ", ".join((_EXPIRES, *LIMIT_NAMES))
        raise ValueError(f"{unknown[0][:40]}= is none of {known}; a name may not begin like that")
    if not name:
        raise ValueError("not an account, a SHA-256 in hexadecimal and a name: there is no name")
    return Token(match["account"], match["sha256"], name, read_time(expires) if expires else None, Limits.of(pairs))


def _split_rest(rest: str) -> tuple[dict[str, str], str]:
    """What stands behind the hash: words with "=" at first, then the name."""
    pairs: dict[str, str] = {}
    while match := _PAIR.match(rest):
        if match[1] in pairs:
            raise ValueError(f"{match[1][:40]}= stands there twice")
        if not match[2]:
            raise ValueError(f"{match[1][:40]}= has no value")
        pairs[match[1]] = match[2]
        rest = rest[match.end() :]
    return pairs, rest


def read_time(text: str) -> datetime:
    """Reads a time of RFC 3339, in whole seconds.

    Raises:
        ValueError: It is none.
    """
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{_EXPIRES}={text[:40]} is no time such as 2027-01-31T00:00:00Z"
        raise ValueError(message) from None


def to_text(time: datetime) -> str:
    """A time of UTC as a token file has it."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def check_name(name: str) -> None:
    """Lets a name pass that a line can hold.

    Raises:
        ValueError: It is empty, would be read as something else, or can't be printed.
    """
    if not name or name != name.strip() or len(name) > 128 or not name.isprintable():
        raise ValueError("a name has 1 to 128 printable characters, without spaces around them")
    if _PAIR.match(name):
        raise ValueError(f"a name may not begin with a word like {name.split()[0][:40]}")


def check_account(account: str) -> None:
    """Lets an account pass that a token can be for.

    Raises:
        ValueError: It would not be read as one.
    """
    if account == ANY_ACCOUNT:
        return
    if not ACCOUNT.fullmatch(account) or account.startswith("#"):
        message = "an account is 1 to 128 ASCII characters without spaces and slashes, and does not begin with #"
        raise ValueError(f"{message}; {ANY_ACCOUNT} is a peer's, which may name any")
