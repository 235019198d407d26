"""Addresses to listen on, to ask and to answer, as they are written on the command line."""

import ipaddress
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

UNIX: Final = "unix:"

# What gRPC takes besides host and port; others it would look up as names.
TARGET_SCHEMES: Final = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:")
HOST_AND_PORT: Final = re.compile(r"(?:\[[^\[\]\s]+\]|[^\[\]:/,\s]+):(?P<port>\d{1,5})")


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
    is_target = target.startswith(TARGET_SCHEMES) and target not in TARGET_SCHEMES
    if "," in target and not target.startswith(TARGET_SCHEMES):
        _check_addresses(target)
    elif not _is_address(target) and not is_target:
        raise ValueError(f"{target!r} is no address: give host:port, such as 127.0.0.1:50051, or unix:/path")


def _is_address(target: str) -> bool:
    match = HOST_AND_PORT.fullmatch(target)
    return match is not None and 0 < int(match["port"]) < 65536


def _check_addresses(targets: str) -> None:
    """Checks several: gRPC looks up one name only."""
    each = targets.split(",")
    versions = {_ip_version(target) if _is_address(target) else 0 for target in each}
    if versions not in ({4}, {6}):
        raise ValueError(
            f"{targets!r} are no addresses: give several as 10.0.0.1:50051,10.0.0.2:50051, all of IPv4 or all of IPv6, "
            "or one name that has all of them, as dns:///models.example:50051"
        )


def _ip_version(target: str) -> int:
    """4 or 6; 0 for a name."""
    try:
        return ipaddress.ip_address(bare_host(target.rpartition(":")[0])).version
    except ValueError:
        return 0


def check_page(url: str) -> None:
    """Checks that a page can be asked for; empty stands for none.

    Raises:
        ValueError: It can't; the text says what is expected.
    """
    try:
        parts = urlsplit(url)
        is_url = not url or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        is_url = False
    if not is_url:
        raise ValueError(f"{url!r} is no address of a page: give one such as http://127.0.0.1:9464/metrics")


def host_name(host: str) -> str:
    """A Host header in lower case without its port and an IPv6 address's brackets; empty if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def read_host_name(text: str) -> str:
    """A host name as a Host header is compared with it; a port behind it means nothing.

    Raises:
        ValueError: It is none.
    """
    name = host_name(text)
    if not name or "/" in text or "*" in text:
        raise ValueError(f"{text!r} is no host name: give one such as ai.example, without a scheme and a path")
    return name


def read_origin(text: str) -> str:
    """An origin as browsers write it; a slash behind it means nothing.

    Raises:
        ValueError: It is none.
    """
    scheme, separator, host = text.removesuffix("/").partition("://")
    if text != "null" and not (scheme and separator and host and not set(host) & set("/*?#@ ")):
        raise ValueError(f"{text!r} is no origin: give one such as https://app.example, without a path")
    return text.removesuffix("/")
