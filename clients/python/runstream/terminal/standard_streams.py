"""Standard input, output and error, where the command was started without them."""

import os
import sys


def open_closed() -> list[str]:
    """Opens those that are closed on nothing, so that no connection gets their numbers.

    Returns:
        The names of those that were.
    """
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        # The lowest free number is that of the stream.
        mode = "r" if name == "stdin" else "w"
        number = os.open(os.devnull, os.O_RDWR)
        setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 -- open to the end
    return closed
