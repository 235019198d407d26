"""`GET /client/v4/user/tokens/verify`, which scripts ask before they begin."""

from typing import Any, Final

from aiohttp import web

from accounts.tokens import hash_token
from bridge.auth.account import identify
from bridge.http.json_text import json_response
from bridge.workers_ai.envelope import success

MESSAGE: Final[dict[str, Any]] = {"code": 10000, "message": "This API Token is valid and active", "type": None}

# As many digits as Cloudflare's ids of tokens have.
ID_DIGITS: Final = 32


async def verify_token(http_request: web.Request) -> web.Response:
    """Says that the request's token is good; so is any, and none, where nobody needs one.

    Raises:
        GatewayError: It is not.
    """
    identify(http_request)
    token = http_request.headers.get("Authorization", "").partition(" ")[2].strip()
    result = {"id": hash_token(token)[:ID_DIGITS], "status": "active"}
    return json_response(success(result, [MESSAGE]))


def add_routes(router: web.UrlDispatcher) -> None:
    """Adds the routes, for tokens of users and of accounts."""
    router.add_get("/client/v4/user/tokens/verify", verify_token)
    router.add_get("/client/v4/accounts/{account_id:[^/]+}/tokens/verify", verify_token)
