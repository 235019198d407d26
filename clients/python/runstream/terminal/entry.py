"""Where the command starts; the only file here that loads without the extra `cli`."""

import sys
from typing import Final, NoReturn

NEEDED: Final = ("aiohttp", "click", "markdown_it", "prompt_toolkit", "rich")


def main() -> NoReturn:
    """Runs the command and ends the process with its exit code."""
    try:
        from runstream.terminal.commands import run_command_line
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        print(f"runstream: {error.name} is missing: pip install 'runstream-client[cli]'", file=sys.stderr)
        sys.exit(2)
    sys.exit(run_command_line())
