"""The account that a request acts for."""

from aiohttp import web

from accounts.certificates import first_name
from accounts.tokens import LOCAL_ACCOUNT
from bridge.auth.tokens import GUARD, check_account, line_by_name
from bridge.config import CONFIG
from bridge.errors import GatewayError
from bridge.http.access_log import ACCESS


def identify(http_request: web.Request) -> None:
    """Checks that a request may act for the account in its path, or for its token's where the path names none.

    Where clients have to show a certificate, one without a token acts for the account that its certificate names.

    The account and the token's name are kept in the request's `Access`.

    Raises:
        GatewayError: It may not, or it shows two tokens.
    """
    access, authorization = http_request[ACCESS], _authorization(http_request)
    named = http_request.match_info.get("account_id")
    if named is not None:
        access.account = named
        check_account(named, http_request.path)
    guard, shown = http_request.app[GUARD], _shown_name(http_request)
    if shown is None or (authorization and guard.needs_token):
        line = guard.line_for(authorization, named)
    else:
        line = line_by_name(shown, named)
    if named is None:
        access.account = LOCAL_ACCOUNT if line is None or line.is_peer else line.account
    if line is not None:
        access.token, access.limits = line.name, str(line.limits)


def visible_accounts(http_request: web.Request) -> frozenset[str] | None:
    """The accounts that a request's token is for; None, for all, if it is a peer's or nobody needs a token.

    Raises:
        GatewayError: It shows no good token, or two.
    """
    authorization, guard, shown = _authorization(http_request), http_request.app[GUARD], _shown_name(http_request)
    if shown is not None and not (authorization and guard.needs_token):
        return frozenset({line_by_name(shown, None).account})
    lines = guard.lines_of(authorization)
    if lines is None or any(line.is_peer for line in lines):
        return None
    return frozenset(line.account for line in lines)


def _authorization(http_request: web.Request) -> str | None:
    """The one Authorization header; of two, a proxy before this may have checked the other."""
    values = http_request.headers.getall("Authorization", [])
    if len(values) > 1:
        message = f"Invalid request headers: {len(values)} Authorization headers, send one"
        raise GatewayError(400, 6003, message)
    return values[0] if values else None


def _shown_name(http_request: web.Request) -> str | None:
    """The name of the client's certificate; None where clients need none."""
    if http_request.app[CONFIG].tls_client_ca is None:
        return None
    transport = http_request.transport
    shown = (transport.get_extra_info("peercert") if transport else None) or {}
    alternatives = shown.get("subjectAltName", ())
    return first_name(
        (value for kind, value in alternatives if kind == "DNS"),
        (value for kind, value in alternatives if kind == "URI"),
        (value for part in shown.get("subject", ()) for kind, value in part if kind == "commonName"),
    )
