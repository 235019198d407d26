"""A Unix socket to listen on."""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ADVICE = "choose another path with --host"


class ListenError(Exception):
    """The bridge can't listen where it is told to; the text says what to do."""


@contextmanager
def bound(path: Path) -> Iterator[socket.socket]:
    """A socket at a path, with mode 0600: only this user, and root, can connect. Its file goes when the context ends.

    Raises:
        ListenError: A server listens there, or the path can't be used.
    """
    _clear(path)
    with socket.socket(socket.AF_UNIX) as listening:
        mask = os.umask(0o177)  # before it is bound: afterwards, somebody else could be faster
        try:
            listening.bind(str(path))
            listening.listen()  # at once: until then it looks like one that a killed server has left
            made = path.lstat()
        except OSError as error:
            raise ListenError(f"can't listen on unix:{path}: {error.strerror or error}; {ADVICE}") from None
        finally:
            os.umask(mask)
        try:
            yield listening
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(path.lstat(), made):  # not if another server has taken the path since
                    path.unlink()


def _clear(path: Path) -> None:
    """Takes away the socket that a server which was killed has left."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return  # nothing is there, or binding will tell why
    if not is_socket:
        raise ListenError(f"{path} is there and no socket: {ADVICE}")
    if _is_listened_on(path):
        raise ListenError(f"unix:{path} is in use: end what listens there, or {ADVICE}")
    path.unlink(missing_ok=True)


def _is_listened_on(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True  # its queue is full, or it is another user's
    return True
