"""The account that a request acts for."""

from aiohttp import web

from accounts.tokens import LOCAL_ACCOUNT
from bridge.auth.tokens import GUARD, check_account
from bridge.errors import GatewayError
from bridge.http.access_log import ACCESS


def identify(http_request: web.Request) -> None:
    """Checks that a request may act for the account in its path, or for its token's where the path names none.

    The account and the token's name are kept in the request's `Access`.

    Raises:
        GatewayError: It may not, or it shows two tokens.
    """
    access, authorization = http_request[ACCESS], _authorization(http_request)
    named = http_request.match_info.get("account_id")
    if named is not None:
        access.account = named
        check_account(named, http_request.path)
    line = http_request.app[GUARD].line_for(authorization, named)
    if named is None:
        access.account = LOCAL_ACCOUNT if line is None or line.is_peer else line.account
    if line is not None:
        access.token = line.name


def visible_accounts(http_request: web.Request) -> frozenset[str] | None:
    """The accounts that a request's token is for; None, for all, if it is a peer's or nobody needs a token.

    Raises:
        GatewayError: It shows no good token, or two.
    """
    lines = http_request.app[GUARD].lines_of(_authorization(http_request))
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
