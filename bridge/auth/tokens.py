"""Who may use the bridge.

A token file has a line for each token: the account, the SHA-256 of the token in hexadecimal, and a name that logs show
for it, with spaces between them. Empty lines and lines that begin with "#" are skipped:

    # account   sha256                                                            name
    my-account  2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b  laptop

A token that may be used for several accounts has a line for each. `python -m bridge hash-token` writes such lines.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from bridge.errors import GatewayError

# "/" would end the segment of the path that an account is, and clients resolve "." and "..".
ACCOUNT_PATTERN: Final = r"^(?!\.{1,2}$)[!-.0-~]{1,128}$"
ACCOUNT: Final = re.compile(ACCOUNT_PATTERN)
LINE: Final = re.compile(r"(?P<account>[!-~]{1,128})\s+(?P<sha256>[0-9a-f]{64})\s+(?P<name>\S.*)")


@dataclass(frozen=True)
class Token:
    """A line of a token file."""

    account: str
    sha256: str
    name: str

    def __str__(self) -> str:
        return f"{self.account} {self.sha256} {self.name}"


def hash_token(token: str) -> str:
    """A token's SHA-256 in hexadecimal. No salt: a token is random and long, not a password."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read_token_file(path: Path) -> tuple[Token, ...]:
    """Reads a token file.

    Raises:
        ValueError: It can't be read, a line is none of a token file, or there is no token.
    """
    tokens = []
    for number, line in enumerate(_text_of(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"{path}, line {number}: not an account, a SHA-256 in hexadecimal and a name")
        tokens.append(Token(**match.groupdict()))
    if not tokens:
        raise ValueError(f"{path} has no token: write one with `python -m bridge hash-token`")
    return tuple(tokens)


def _text_of(path: Path) -> str:
    """What a token file holds; editors and shells of Windows begin it with a byte order mark."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8: save it in that encoding") from None
    except FileNotFoundError:
        raise ValueError(f"there is no token file {path}: write one with `python -m bridge hash-token`") from None
    except OSError as error:
        raise ValueError(f"the token file {path} can't be read: {error.strerror}") from None


def check_account(account: str, path: str) -> None:
    """Refuses an account id that no account can have, as Cloudflare does; it travels in gRPC metadata, which is ASCII.

    Raises:
        GatewayError: It is one.
    """
    if not ACCOUNT.fullmatch(account):
        message = f"Could not route to {path}, perhaps your object identifier is invalid?"
        raise GatewayError(404, 7003, message)


def authorize(tokens: tuple[Token, ...], authorization: str | None, account: str) -> str:
    """Checks that a request may act for an account.

    Args:
        tokens: The tokens that there are; none means that nobody needs one.
        authorization: The request's Authorization header.
        account: The account in its path.

    Returns:
        The token's name, empty if none was needed.

    Raises:
        GatewayError: It may not.
    """
    if not tokens:
        return ""
    for known in authenticate(tokens, authorization):
        if known.account == account:
            return known.name
    raise GatewayError(403, 10000, "Authentication error")


def authenticate(tokens: tuple[Token, ...], authorization: str | None) -> list[Token]:
    """The lines of the token file for a request's token, at least one.

    Raises:
        GatewayError: It shows no token, or one that is not known.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise GatewayError(400, 10001, "Unable to authenticate request")
    digest = hash_token(token.strip())
    # Every line is compared, and in constant time, so that the time taken tells nothing about any of them.
    matches = [known for known in tokens if hmac.compare_digest(known.sha256, digest)]
    if not matches:
        raise GatewayError(401, 10000, "Authentication error")
    return matches


TOKENS = web.AppKey("tokens", tuple[Token, ...])
