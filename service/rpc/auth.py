"""Who may call: callers that know the service's token, or everybody if it has none."""

import hmac

from service.errors import UnauthenticatedError
from service.rpc.calls import ServicerContext

_SCHEME = "bearer "


class BearerToken:
    """Checks the token that callers send in their metadata.

    Args:
        token: What they must send as `authorization: Bearer <token>`; empty lets everybody in.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def check(self, context: ServicerContext) -> None:
        """Lets the call pass.

        Raises:
            UnauthenticatedError: It carries no token, another one, or two.
        """
        sent = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
        if len(sent) > 1:
            # A proxy before this may have checked the other one.
            raise UnauthenticatedError(f"the call has {len(sent)} values of authorization in its metadata: send one")
        token = _token_of(*sent)
        if self._token and not token:
            raise UnauthenticatedError("the call needs metadata authorization: Bearer <the service's token>")
        if self._token and not hmac.compare_digest(token, self._token):
            raise UnauthenticatedError("the token is not the service's")


def _token_of(authorization: str | bytes = b"") -> bytes:
    text = authorization.decode(errors="replace") if isinstance(authorization, bytes) else authorization
    return text[len(_SCHEME) :].strip().encode() if text[: len(_SCHEME)].lower() == _SCHEME else b""
