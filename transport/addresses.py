"""Which addresses are this machine's own, so that nothing on the way can read what is sent there."""

import ipaddress
import re
from typing import Final

_SCHEME: Final = re.compile(r"^(dns:(///?)?|ipv[46]:)")
_HOST: Final = re.compile(r"(?P<host>\[[^\[\]\s]+\]|[^\[\]:/,\s]+)(:\d{1,5})?")


class ClearTextError(ValueError):
    """A token would be sent in clear text; the message says what to give instead."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`, a name or an address without port and brackets."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local_target(target: str) -> bool:
    """Whether what is sent to a gRPC target, such as "127.0.0.1:50051" or "unix:/path", stays on this machine."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    hosts = [_HOST.fullmatch(address) for address in _SCHEME.sub("", target).split(",")]
    return all(match is not None and is_loopback(match["host"].strip("[]")) for match in hosts)


def check_target_of_token(target: str) -> None:
    """Refuses to send a token to a service without TLS, unless nobody but this machine can read it.

    Raises:
        ClearTextError: Others could.
    """
    if not is_local_target(target):
        raise ClearTextError(
            f"the token would be sent to {target} in clear text: give --service-ca, or --allow-plaintext-token if "
            "nobody else can read on the way"
        )
