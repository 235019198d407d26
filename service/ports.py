"""Whether a port is free, asked before anything is loaded, so that the answer is one line."""

import errno
import socket

from service.config import ConfigError


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


def address(host: str, port: int) -> str:
    """Host and port as one writes them together."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
