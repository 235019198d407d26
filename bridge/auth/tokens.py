"""Lets those use the bridge who show a token of its token file, as Cloudflare asks for one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from accounts.certificates import UnnamedCertificateError, line_by_certificate
from accounts.known_tokens import (
    ExpiredTokenError,
    Tokens,
    UnknownTokenError,
    WrongAccountError,
    line_for,
    valid_lines,
)
from accounts.tokens import ACCOUNT, Token
from bridge.errors import GatewayError

_REFUSED: Final = "Authentication error"


class Guard:
    """Lets requests in.

    Args:
        tokens: Those that there are; None lets everybody in.
    """

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    @property
    def needs_token(self) -> bool:
        """Whether requests must show a token."""
        return self._tokens is not None

    def line_for(self, authorization: str | None, account: str | None) -> Token | None:
        """The line of the token file by which a request may act for an account.

        Args:
            authorization: The request's Authorization header.
            account: The account in its path; None where a path has none.

        Returns:
            The line; None if nobody needs a token.

        Raises:
            GatewayError: It may not.
        """
        if self._tokens is None:
            return None
        with _refusals():
            return line_for(self._tokens, _token_of(authorization), account)

    def lines_of(self, authorization: str | None) -> list[Token] | None:
        """All lines of a request's token that let in; None if nobody needs a token.

        Raises:
            GatewayError: There is none.
        """
        if self._tokens is None:
            return None
        with _refusals():
            return valid_lines(self._tokens, _token_of(authorization))


def line_by_name(name: str, account: str | None) -> Token:
    """The rights that a client's certificate gives it.

    Args:
        name: The certificate's.
        account: The account in the request's path; None where a path has none.

    Raises:
        GatewayError: It names another account, or none.
    """
    with _refusals():
        return line_by_certificate(name, frozenset(), account)


def check_account(account: str, path: str) -> None:
    """Refuses an account id that no account can have, as Cloudflare does; it travels in gRPC metadata, which is ASCII.

    Raises:
        GatewayError: It is one.
    """
    if not ACCOUNT.fullmatch(account):
        message = f"Could not route to {path}, perhaps your object identifier is invalid?"
        raise GatewayError(404, 7003, message)


@contextmanager
def _refusals() -> Iterator[None]:
    """Says with Cloudflare's codes why a token does not let in."""
    try:
        yield
    except UnknownTokenError:
        raise GatewayError(401, 10000, _REFUSED) from None
    except (ExpiredTokenError, UnnamedCertificateError) as error:
        raise GatewayError(401, 10000, f"{_REFUSED}: {error}") from None
    except WrongAccountError:
        raise GatewayError(403, 10000, _REFUSED) from None


def _token_of(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise GatewayError(400, 10001, "Unable to authenticate request")
    return token.strip()


GUARD = web.AppKey("guard", Guard)
