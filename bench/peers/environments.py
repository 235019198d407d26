"""Environments of the peers: each has a venv of its own, made on demand with pinned packages from PyPI."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from scripts.install import install_torch
from scripts.pip import Pip, SetupError

ROOT: Final = Path(__file__).resolve().parents[2]
OURS: Final = ""
"""Stands for this checkout's own environment."""

_REQUIREMENTS: Final = Path(__file__).parent / "requirements"


class MissingPeerError(Exception):
    """A peer can't be had on this machine; the message says why."""


def default_cache() -> Path:
    """Where environments and converted weights are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "runstream" / "peers"


def python_of(environment: str, cache: Path) -> Path:
    """The interpreter of an environment, which is made if it is not there or has other packages.

    Args:
        environment: The name of a file in requirements/, or `OURS`.
        cache: See `default_cache`.

    Raises:
        MissingPeerError: It can't be made.
    """
    if environment == OURS:
        return Path(sys.executable)
    requirements = _REQUIREMENTS / f"{environment}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    venv = cache / "environments" / environment
    python, finished = venv / "bin" / "python", venv / "requirements.sha256"
    if not finished.exists() or finished.read_text() != digest:
        print(f"Installing {environment} into {venv}", file=sys.stderr, flush=True)
        _install(venv, python, requirements)
        finished.write_text(digest)
    return python


def _install(venv: Path, python: Path, requirements: Path) -> None:
    """Makes a venv. All packages are listed, so pip looks for no others."""
    base = getattr(sys, "_base_executable", sys.executable)
    made = subprocess.run([base, "-m", "venv", "--clear", venv], capture_output=True, text=True)
    if made.returncode:
        raise MissingPeerError(f"can't make {venv}: {' '.join(made.stderr.split())[-200:]}")
    try:
        pip = Pip(python, venv, requirements)
        pip.update_itself()
        if "\ntorch==" in requirements.read_text():
            install_torch(pip)
        pip.install("--no-deps", "--requirement", str(requirements))
    except SetupError as error:
        raise MissingPeerError(str(error)) from error


def site_packages(python: Path) -> Path:
    """Where an environment's packages are."""
    (folder,) = python.parent.parent.glob("lib/python3*/site-packages")
    return folder


def pinned_version(environment: str, package: str) -> str:
    """The version of a package in an environment's list."""
    lines = (_REQUIREMENTS / f"{environment}.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{package}=="))
