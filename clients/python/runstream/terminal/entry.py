"""Where the command starts: all that this file loads at first is there without the extra `cli`."""

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final, NoReturn

from runstream.terminal.signals import interrupts_end_at_once
from runstream.terminal.standard_streams import open_closed

NEEDED: Final = ("aiohttp", "click", "markdown_it", "prompt_toolkit", "rich")


def main() -> NoReturn:
    """Runs the command and ends the process with its exit code."""
    if "stdout" in open_closed():
        print("runstream: standard output is closed: give it a file, or /dev/null", file=sys.stderr)
        sys.exit(2)
    with interrupts_end_at_once():
        run_command_line = _loaded()
    sys.exit(run_command_line())


def _loaded() -> Callable[[], int]:
    # gRPC would tell of a failed handshake on stderr, beside the one line that does.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        print(f"runstream: {missing[0]} is missing: pip install 'runstream-client[cli]'", file=sys.stderr)
        sys.exit(2)
    from runstream.terminal.commands import run_command_line

    return run_command_line
