"""Addresses to listen on and to ask, checked before anything is loaded, so that a wrong one is told in a line."""

import errno
import os
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from service.config import UNIX, ConfigError

# What gRPC takes besides host and port; others it would look up as names.
_TARGET_SCHEMES = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:")
_HOST_AND_PORT = re.compile(r"(?:\[[^\[\]\s]+\]|[^\[\]:/\s]+):(?P<port>\d{1,5})")


def check_port(host: str, port: int, flag: str) -> None:
    """Checks that a server can listen there. On every address of the host: gRPC is content with one of several.

    Args:
        flag: The flag that sets the port, for the message.

    Raises:
        ConfigError: The port is in use or not allowed, or the host is not known.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ConfigError(f"--host {host} is no address of this machine: {error.strerror}") from error
    for family, kind, protocol, _, address in addresses:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise ConfigError(f"port {port} on {host} is in use: choose another with {flag}") from error
                if error.errno != errno.EADDRNOTAVAIL or len(addresses) == 1:
                    raise ConfigError(f"can't listen on {host} port {port} ({flag}): {error.strerror}") from error


def listen_on_socket(path: Path, listen: Callable[[str], int]) -> None:
    """Listens on a Unix socket with mode 0600: only this user, and root, can connect.

    Args:
        path: Where; a socket that a server which was killed has left there is replaced.
        listen: Makes gRPC listen on an address. It would replace the socket of a server that lives, too.

    Raises:
        ConfigError: A server listens there, or the path can't be used.
    """
    _clear(path)
    mask = os.umask(0o177)  # before it is bound: afterwards, somebody else could be faster
    try:
        listen(f"{UNIX}{path}")
    except RuntimeError:
        raise ConfigError(f"can't listen on {UNIX}{path}: give --host a path in a folder that is yours") from None
    finally:
        os.umask(mask)


def _clear(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return  # nothing is there, or listening will fail
    if not is_socket:
        raise ConfigError(f"{path} is there and no socket: choose another path with --host")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass  # its queue is full, or it is another user's
    raise ConfigError(f"{UNIX}{path} is in use: choose another path with --host")


def bare_host(host: str) -> str:
    """A host without the brackets that an IPv6 address has in URLs."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def check_target(target: str) -> None:
    """Checks that a gRPC target can be asked: gRPC would take what it can't read for a name, and look for it for ever.

    Raises:
        ConfigError: It can't; the text says what is expected.
    """
    match = _HOST_AND_PORT.fullmatch(target)
    is_address = match is not None and 0 < int(match["port"]) < 65536
    is_target = target.startswith(_TARGET_SCHEMES) and target not in _TARGET_SCHEMES
    if not is_address and not is_target:
        raise ConfigError(f"{target!r} is no address: give host:port, such as 127.0.0.1:50051, or unix:/path")


def address(host: str, port: int) -> str:
    """Host and port as one writes them together; a socket has no port."""
    if host.startswith(UNIX):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
