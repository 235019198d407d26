"""Ports for servers that must be told theirs."""

import itertools
import os
import secrets
import socket
from collections.abc import Iterator

# All are below those that Linux gives to whoever wants any: each connection of another test takes one of them.
_FIRST = 10_000
_NUM_OF_WORKER = 2_000
_NUM_WORKERS = 11


def _candidates() -> Iterator[int]:
    """Those of this process of a test run; another run on the machine is likely to begin elsewhere."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = _FIRST + worker % _NUM_WORKERS * _NUM_OF_WORKER
    for number in itertools.count(secrets.randbelow(_NUM_OF_WORKER)):
        yield first + number % _NUM_OF_WORKER


_PORTS = _candidates()


def unused_ports(number: int) -> list[int]:
    """Ports of loopback that nobody listens on, all different, and others with each call."""
    return list(itertools.islice(filter(_is_unused, _PORTS), number))


def _is_unused(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
