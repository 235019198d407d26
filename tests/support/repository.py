"""The files of this repository, as git knows them."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def files_of_the_repository():
    """The files that git has, or would have once they are added."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file()]


FILES = files_of_the_repository()
SOURCES = [path for path in FILES if path.suffix == ".py" and "_pb2" not in path.name]

if not FILES:
    pytest.skip("this is no git checkout: its files can't be told from others", allow_module_level=True)
