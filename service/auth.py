"""Who may call: callers that know the service's token, or everybody if it has none."""

import hmac
from typing import Any

import grpc

from service.errors import UnauthenticatedError

_SCHEME = "bearer "


class BearerToken:
    """Checks the token that callers send in their metadata.

    Args:
        token: What they must send as `authorization: Bearer <token>`; empty lets everybody in.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def check(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Lets the call pass.

        Raises:
            UnauthenticatedError: It carries no token, or another one.
        """
        if self._token and not hmac.compare_digest(_sent_token(context), self._token):
            raise UnauthenticatedError("the call needs metadata authorization: Bearer <the service's token>")


def _sent_token(context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    for key, value in context.invocation_metadata() or ():
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        if key == "authorization" and text[: len(_SCHEME)].lower() == _SCHEME:
            return text[len(_SCHEME) :].strip().encode()
    return b""
