"""Whom a certificate names: an account, or a trusted peer, as a line of a token file would."""

from collections.abc import Iterable
from typing import Final

from accounts.known_tokens import TokenError, WrongAccountError
from accounts.tokens import ACCOUNT, ANY_ACCOUNT, Token

# What logs show in place of a token's name.
CERTIFICATE: Final = "certificate"


class UnnamedCertificateError(TokenError):
    """It names no account; the text says what it should have."""


def first_name(dns: Iterable[str], uris: Iterable[str], common_names: Iterable[str]) -> str:
    """The name by which a certificate counts: its first DNS name, else its first URI, else its common name.

    Args:
        dns: The DNS names among its subject alternative names.
        uris: The URIs among them.
        common_names: The common names of its subject.

    Returns:
        The name; empty if it has none.
    """
    return next((name for names in (dns, uris, common_names) for name in names if name), "")


def line_by_certificate(name: str, peers: frozenset[str], account: str | None) -> Token:
    """What a certificate, which was verified, lets its holder do.

    Args:
        name: What `first_name` says.
        peers: The names of trusted peers.
        account: The account that the call names; None where it names none.

    Raises:
        UnnamedCertificateError: The name can be no account.
        WrongAccountError: The call names another account, and the name is no peer's.
    """
    if name in peers:
        return Token(ANY_ACCOUNT, "", CERTIFICATE)
    if not ACCOUNT.fullmatch(name):
        raise UnnamedCertificateError(
            "the certificate names no account: its first DNS name, else its first URI, else its common name should be "
            "1 to 128 ASCII characters without spaces and slashes"
        )
    if account not in (None, name):
        raise WrongAccountError
    return Token(name, "", CERTIFICATE)
