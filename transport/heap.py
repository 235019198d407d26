"""Settings of the C library's heap with which a server of many calls stays as large as it is."""

import os
import sys
from collections.abc import Mapping
from typing import Final

_CACHE_VARIABLE: Final = "GLIBC_TUNABLES"
_SETTINGS: Final[Mapping[str, str]] = {
    # gRPC takes an aligned block for each call. In front of it glibc (2.36) cuts off a small piece, which its cache
    # gives to somebody else. Then the block, once it is free, is too small for the next call: the heap grows for ever.
    _CACHE_VARIABLE: "glibc.malloc.tcache_count=0",
    # gRPC's threads come and go, and each leaves pieces in the heap that it used. One heap for all uses them again.
    # Not a second part of the variable above, which glibc (2.36) cuts at its first colon for the processes begun here.
    "MALLOC_ARENA_MAX": "1",
}


def settle_heap() -> None:
    """Starts the process again as it was started, with the same id, unless its heap is settled already.

    glibc reads its settings only then. Another C library, or settings of the user's own, are left as they are.
    """
    if _CACHE_VARIABLE in os.environ or not _is_glibc():
        return
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 -- its own command


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for a process that does not answer calls: it gets the heap that it would have had."""
    return {name: value for name, value in environment.items() if _SETTINGS.get(name) != value}


def _is_glibc() -> bool:
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except ValueError:
        return False
