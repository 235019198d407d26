"""Where to listen and where to ask, as they are written on the command line."""

import re
from pathlib import Path
from typing import Final

UNIX: Final = "unix:"

# What gRPC takes besides host and port; others it would look up as names.
TARGET_SCHEMES: Final = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:")
HOST_AND_PORT: Final = re.compile(r"(?:\[[^\[\]\s]+\]|[^\[\]:/\s]+):(?P<port>\d{1,5})")


def bare_host(host: str) -> str:
    """A host without the brackets that an IPv6 address has in URLs."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def unix_path(host: str) -> Path | None:
    """The path of a Unix socket to listen on, written `unix:/path`; None for a host."""
    if not host.startswith(UNIX):
        return None
    path = host.removeprefix(UNIX)
    return Path(path.removeprefix("//") if path.startswith("///") else path)


def check_target(target: str) -> None:
    """Checks that a gRPC target can be asked: gRPC would take what it can't read for a name, and look for it for ever.

    Raises:
        ValueError: It can't; the text says what is expected.
    """
    match = HOST_AND_PORT.fullmatch(target)
    is_address = match is not None and 0 < int(match["port"]) < 65536
    is_target = target.startswith(TARGET_SCHEMES) and target not in TARGET_SCHEMES
    if not is_address and not is_target:
        raise ValueError(f"{target!r} is no address: give host:port, such as 127.0.0.1:50051, or unix:/path")
