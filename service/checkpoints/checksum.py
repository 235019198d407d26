"""Hashes as the hub gives them: sha256 of files in its large-file storage, git's own of all others."""

import hashlib
from pathlib import Path

from service.checkpoints.errors import CheckpointError

_SHA256_DIGITS = 64
_GIT_SHA1_DIGITS = 40


def check_file(path: Path, expected: str) -> None:
    """Reads a file and compares its hash.

    Args:
        path: The file.
        expected: Its sha256 or the id of its git blob, in hexadecimal digits; their number tells which.

    Raises:
        CheckpointError: The hashes differ.
        OSError: It can't be read.
    """
    found = _sha256(path) if len(expected) == _SHA256_DIGITS else _git_blob_id(path)
    if found != expected:
        raise CheckpointError(f"{path} has hash {found}, but the hub has {expected}")


def recorded_hash(path: Path) -> str:
    """What the hub said of a file of its cache when it was fetched; empty if that was not written down.

    The cache names what it keeps by the hub's hash, and a snapshot's files are links to that.
    """
    name = path.readlink().name if path.is_symlink() else ""
    return name if len(name) in (_SHA256_DIGITS, _GIT_SHA1_DIGITS) else ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_blob_id(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
