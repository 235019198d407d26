"""The account that a request acts for."""

from typing import Final

from aiohttp import web

from bridge.auth.tokens import TOKENS, authenticate, authorize, check_account
from bridge.errors import GatewayError
from bridge.http.access_log import ACCESS

# Whoever asks on a path that names no account, while nobody needs a token.
LOCAL_ACCOUNT: Final = "local"


def identify(http_request: web.Request) -> None:
    """Checks that a request may act for the account in its path, or for its token's where the path names none.

    The account and the token's name are kept in the request's `Access`.

    Raises:
        GatewayError: It may not, or it shows two tokens.
    """
    access, tokens = http_request[ACCESS], http_request.app[TOKENS]
    authorization = _authorization(http_request)
    if "account_id" in http_request.match_info:
        access.account = http_request.match_info["account_id"]
        check_account(access.account, http_request.path)
        access.token = authorize(tokens, authorization, access.account)
    elif tokens:
        token = authenticate(tokens, authorization)[0]
        access.account, access.token = token.account, token.name
    else:
        access.account = LOCAL_ACCOUNT


def visible_accounts(http_request: web.Request) -> frozenset[str] | None:
    """The accounts that a request's token is for; None, for all, while nobody needs a token.

    Raises:
        GatewayError: It shows no good token, or two.
    """
    tokens, authorization = http_request.app[TOKENS], _authorization(http_request)
    if not tokens:
        return None
    return frozenset(token.account for token in authenticate(tokens, authorization))


def _authorization(http_request: web.Request) -> str | None:
    """The one Authorization header; of two, a proxy before this may have checked the other."""
    values = http_request.headers.getall("Authorization", [])
    if len(values) > 1:
        message = f"Invalid request headers: {len(values)} Authorization headers, send one"
        raise GatewayError(400, 6003, message)
    return values[0] if values else None
