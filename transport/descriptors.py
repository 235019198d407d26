"""How many connections a process may hold: each takes a file descriptor, and accepting fails when there is none."""

import resource
from typing import Final

# What else takes descriptors: the log, the event loop, gRPC, listening sockets, and connections that are being refused.
RESERVE: Final = 160


class TooManyConnectionsError(ValueError):
    """More connections were asked for than there can be."""


def raise_limit() -> int:
    """Raises the soft limit of open files to the hard one, where that is allowed; the limit from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft  # some systems tell a hard limit that they don't grant
    return hard


def most_connections(asked: int, default: int, limit: int) -> int:
    """How many connections are held at once.

    Args:
        asked: What `--max-connections` says; 0 for what the descriptors allow, at most `default`.
        default: The most where nothing is said.
        limit: How many descriptors the process may have open; negative for no limit.

    Raises:
        TooManyConnectionsError: More were asked for than there are descriptors; the text says what to do.
    """
    allowed = max(1, limit - min(RESERVE, limit // 2)) if limit >= 0 else max(asked, default)
    if asked > allowed:
        raise TooManyConnectionsError(
            f"--max-connections {asked} needs more open files than the {limit} that this process may have, of which "
            f"{allowed} can be connections: raise the limit (ulimit -n, LimitNOFILE= of systemd) or lower the number"
        )
    return asked or min(default, allowed)
