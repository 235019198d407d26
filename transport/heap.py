"""Settings of the C library's heap with which a server of many calls stays as large as it is."""

import os
import sys
from collections.abc import Mapping
from typing import Final

_VARIABLE: Final = "GLIBC_TUNABLES"
# gRPC takes an aligned block for each call. In front of it glibc (2.36) cuts off a small piece, which its cache gives
# to somebody else. Then the block, once it is free, is too small for the next call, and the heap grows for ever.
_WITHOUT_CACHE: Final = "glibc.malloc.tcache_count=0"


def settle_heap() -> None:
    """Starts the process again as it was started, with the same id, unless its heap is settled already.

    glibc reads its settings only then. Another C library, or settings of the user's own, are left as they are.
    """
    if _VARIABLE in os.environ or not _is_glibc():
        return
    os.environ[_VARIABLE] = _WITHOUT_CACHE
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 -- its own command


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for a process that does not answer calls: it gets the heap that it would have had."""
    return {key: value for key, value in environment.items() if (key, value) != (_VARIABLE, _WITHOUT_CACHE)}


def _is_glibc() -> bool:
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except ValueError:
        return False
