"""Finds who calls: for which account, by which token."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from accounts.certificates import UnnamedCertificateError, first_name, line_by_certificate
from accounts.known_tokens import (
    ExpiredTokenError,
    KnownTokens,
    Tokens,
    UnknownTokenError,
    WrongAccountError,
    line_for,
)
from accounts.limits import Limits
from accounts.token_file import TokenFile, TokenFileError
from accounts.tokens import ACCOUNT, ANY_ACCOUNT, LOCAL_ACCOUNT, Token, hash_token
from service.config import ConfigError
from service.errors import InvalidRequestError, PermissionDeniedError, UnauthenticatedError
from service.rpc.calls import ServicerContext
from service.rpc.rate_limits import RateLimits

ACCOUNT_HEADER: Final = "x-runstream-account"
TOKEN_HEADER: Final = "x-runstream-token"  # noqa: S105 - a name
LIMITS_HEADER: Final = "x-runstream-limits"

_AUTHORIZATION: Final = "authorization"
_SCHEME: Final = "bearer "
_MAX_NAME_CHARACTERS: Final = 128

# gRPC's names of what a verified certificate says.
_NAMES: Final = ("peer_dns", "peer_uri", "x509_common_name")


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller.

    Attributes:
        account: Whom the call acts for.
        token: The name of its token; empty if it needs none.
        is_peer: Whether it is trusted to name any account, and to see to the models.
        limits: How much it may ask for.
    """

    account: str
    token: str = ""
    is_peer: bool = False
    limits: Limits = field(default_factory=Limits)

    @property
    def key(self) -> tuple[str, str]:
        """By what its use is counted."""
        return self.account, self.token

    def account_of(self, named: str) -> str:
        """The account of a request with an `account` field.

        Raises:
            PermissionDeniedError: The field names another one than the caller's.
        """
        if not named or named == self.account:
            return self.account
        if not self.is_peer:
            raise PermissionDeniedError("account is not the token's: leave it empty, or name the token's own")
        return named

    def check_is_peer(self) -> None:
        """Lets a peer pass, who acts for everybody.

        Raises:
            PermissionDeniedError: It is none.
        """
        if not self.is_peer:
            message = (
                f"loading and unloading models concerns all accounts: it needs a token of the account {ANY_ACCOUNT}"
            )
            raise PermissionDeniedError(message)


class Callers:
    """Tells who calls.

    Args:
        tokens: Those that there are; None trusts everybody, as a peer, unless certificates are asked for.
        tls_peers: The names of the certificates that are trusted peers'; None if callers need no certificate.
        limits: What they may ask for; None for no defaults.

    Attributes:
        limits: What callers may ask for.
    """

    def __init__(
        self, tokens: Tokens | None, tls_peers: frozenset[str] | None = None, limits: RateLimits | None = None
    ) -> None:
        self._tokens = tokens
        self._tls_peers = tls_peers
        self.limits = limits or RateLimits(Limits())

    def identify(self, context: ServicerContext) -> Caller:
        """The caller of a call.

        Raises:
            UnauthenticatedError: It carries no token, an unknown or expired one, or two.
            PermissionDeniedError: It names an account that its token is not for.
            InvalidRequestError: What it names is no account.
        """
        token, account = _token_of(context), _account_of(context)
        by_certificate = self._tls_peers is not None and (self._tokens is None or not token)
        if self._tokens is None and not by_certificate:
            return _for_others(context, Caller(account or LOCAL_ACCOUNT, is_peer=True))
        with _refusals():
            line = self._shown(context, account) if by_certificate else self._sent(token, account)
        own = LOCAL_ACCOUNT if line.is_peer else line.account
        return _for_others(context, Caller(account or own, line.name, line.is_peer, line.limits))

    def _sent(self, token: str, account: str | None) -> Token:
        if not token:
            raise UnauthenticatedError("the call needs metadata authorization: Bearer <the service's token>")
        assert self._tokens is not None
        return line_for(self._tokens, token, account)

    def _shown(self, context: ServicerContext, account: str | None) -> Token:
        assert self._tls_peers is not None
        return line_by_certificate(_name_of(context), self._tls_peers, account)


def _for_others(context: ServicerContext, caller: Caller) -> Caller:
    """The caller with the token and limits of whom it asks for, which a peer may tell."""
    names, limits = _values(context, TOKEN_HEADER), _values(context, LIMITS_HEADER)
    if not names and not limits:
        return caller
    if not caller.is_peer:
        raise PermissionDeniedError(f"{TOKEN_HEADER} and {LIMITS_HEADER} are for peers: leave them out")
    try:
        told = Limits.read("".join(limits))
    except ValueError as error:
        raise InvalidRequestError(f"{LIMITS_HEADER}: {error}") from None
    return replace(caller, token=unquote("".join(names))[:_MAX_NAME_CHARACTERS], limits=told)


def open_tokens(shared: str, path: Path | None) -> Tokens | None:
    """The tokens that a service knows; None if nobody needs one.

    Args:
        shared: The token of `--token`, which is a peer's; empty for none.
        path: The token file; None for none.

    Raises:
        ConfigError: It can't be used.
    """
    peer = [Token(ANY_ACCOUNT, hash_token(shared), "--token")] if shared else []
    if path is None:
        return KnownTokens(peer) if peer else None
    try:
        return TokenFile(path, peer)
    except TokenFileError as error:
        raise ConfigError(f"--token-file: {error}") from None


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except UnknownTokenError:
        raise UnauthenticatedError("the token is not the service's") from None
    except ExpiredTokenError as error:
        raise UnauthenticatedError(f"{error}: ask for a new one") from None
    except UnnamedCertificateError as error:
        raise UnauthenticatedError(str(error)) from None
    except WrongAccountError:
        message = f"{ACCOUNT_HEADER} is not the token's account: leave it out, or name the token's own"
        raise PermissionDeniedError(message) from None


def _token_of(context: ServicerContext) -> str:
    sent = _values(context, _AUTHORIZATION)
    if len(sent) > 1:
        # A proxy before this may have checked the other one.
        raise UnauthenticatedError(f"the call has {len(sent)} values of authorization in its metadata: send one")
    text = sent[0] if sent else ""
    return text[len(_SCHEME) :].strip() if text[: len(_SCHEME)].lower() == _SCHEME else ""


def _account_of(context: ServicerContext) -> str | None:
    named = _values(context, ACCOUNT_HEADER)
    if len(named) > 1:
        raise InvalidRequestError(f"the call has {len(named)} values of {ACCOUNT_HEADER} in its metadata: send one")
    if named and not ACCOUNT.fullmatch(named[0]):
        raise InvalidRequestError(f"{ACCOUNT_HEADER} is no account: 1 to 128 ASCII characters, no spaces and slashes")
    return named[0] if named else None


def _name_of(context: ServicerContext) -> str:
    """The name of the certificate that the caller has shown."""
    shown = context.auth_context()
    dns, uris, common_names = ([_text(value) for value in shown.get(key, ())] for key in _NAMES)
    return first_name(dns, uris, common_names)


def _values(context: ServicerContext, name: str) -> list[str]:
    """The values of a call's metadata by a name, which is in lower case."""
    return [_text(value) for key, value in context.invocation_metadata() or () if key == name]


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
