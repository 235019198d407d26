"""npm packages as they are published: packed, and installed into a folder of their own."""

import re
import subprocess
from pathlib import Path

from scripts.real_clients import NODE, NPM
from tests.support.missing_tools import skip_or_fail

NO_NETWORK = re.compile(r"npm error code (E[A-Z_]*(CONN|NOTFOUND|TIMEDOUT|AGAIN|SOCKET)\w*|ENOTCACHED)")
QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


def npm(*arguments: str | Path, cwd: Path) -> str:
    """Runs the npm of the tests; what it said, if it ended well."""
    command = [NODE, NPM, *arguments, *QUIET]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pack(source: Path, folder: Path) -> Path:
    """Packs a package into a folder; the tarball."""
    npm("pack", "--pack-destination", folder, cwd=source)
    return next(folder.glob("*.tgz"))


def install(folder: Path, *packages: str | Path) -> None:
    """Installs packages into a folder; skips the test where no registry can be reached."""
    try:
        npm("install", "--prefer-offline", *packages, cwd=folder)
    except AssertionError as error:
        if NO_NETWORK.search(str(error)):
            skip_or_fail("npm can't reach the registry: the client was not installed into an empty folder")
        raise
