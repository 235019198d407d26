"""Makes .venv with the pinned packages of some extras: `python -m scripts.install bridge service`.

Runs before anything is installed, so it uses nothing but the standard library. What it has finished it records in
.venv/installed.json; while that says the same as would be recorded now, there is nothing to do.
"""

import argparse
import errno
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts import torch_build
from scripts.pip import Pip, SetupError

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
RECORD = VENV / "installed.json"
EMPTY_ENVIRONMENT_MB = 100


def inputs() -> dict[str, object]:
    """What an installation depends on; a difference in any of it calls for a new one."""
    files = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    return {
        "root": str(ROOT),
        "files_sha256": hashlib.sha256(files).hexdigest(),
        "has_nvidia_driver": torch_build.has_nvidia_driver(),
    }


def recorded() -> dict[str, object]:
    """What the last finished installation recorded; empty if none finished."""
    try:
        record = json.loads(RECORD.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def installed_extras() -> set[str]:
    """The extras that the last finished installation had."""
    extras = recorded().get("extras", [])
    return set(extras) if isinstance(extras, list) else set()


def is_current(extras: list[str]) -> bool:
    """Tells whether the environment is complete and nothing it depends on has changed."""
    return set(extras) <= installed_extras() and all(recorded().get(key) == value for key, value in inputs().items())


def record_finished(extras: list[str]) -> None:
    """Records the installation; in one move, so that a half-written record can't be read."""
    draft = RECORD.with_suffix(".draft")
    draft.write_text(json.dumps({**inputs(), "extras": extras}))
    draft.replace(RECORD)


def is_usable() -> bool:
    """Tells whether an environment that exists can be added to."""
    before = recorded()
    if before and any(before.get(key) != inputs()[key] for key in ("root", "has_nvidia_driver")):
        return False
    probe = [str(PYTHON), "-c", "import pip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))"]
    return PYTHON.exists() and subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0


def make_environment() -> None:
    """Makes an empty environment.

    Raises:
        SetupError: if the venv module can't.
    """
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True)
    if made.returncode != 0:
        reason = " ".join((made.stdout + made.stderr).split())
        raise SetupError(f"can't make {VENV} with {sys.executable}: {reason[-300:]}")


@contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Keeps two installations in one checkout apart: the second waits for the first."""
    lock = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another set-up of this checkout to end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def check_disk(needed_mb: int) -> None:
    """Raises SetupError if the disk of the checkout has less free than that."""
    free_mb = shutil.disk_usage(ROOT).free // 10**6
    if free_mb < needed_mb:
        raise SetupError(
            f"the disk under {ROOT} has {free_mb / 1000:.1f} GB free, but what is installed needs "
            f"{needed_mb / 1000:.1f} GB: free some, or clone to another disk"
        )


def install(extras: list[str]) -> None:
    """Installs the extras into .venv.

    Raises:
        SetupError: if it can't be done; says why and what to do.
    """
    check_disk(EMPTY_ENVIRONMENT_MB)
    if not is_usable():
        print(f"Making {VENV.relative_to(ROOT)} with {sys.executable}", flush=True)
        make_environment()
    RECORD.unlink(missing_ok=True)
    pip = Pip(PYTHON, VENV, ROOT / "constraints.txt")
    pip.update_itself()
    if "service" in extras and not pip.has("torch"):
        install_torch(pip)
    pip.install("--editable", f"{ROOT}[{','.join(extras)}]")


def install_torch(pip: Pip) -> None:
    """Installs torch by itself, since it alone may come from an index of its own."""
    build = torch_build.for_this_machine(is_cpu_configured="+cpu" in pip.file_of("torch"))
    print(
        f"Downloading about {build.download_mb} MB of packages ({build.disk_mb / 1000:.1f} GB on disk), "
        f"with torch's {build.name}",
        flush=True,
    )
    check_disk(build.download_mb + build.disk_mb)
    if build.index_url:
        pip.install("--no-deps", "--index-url", build.index_url, "torch")


def main() -> int:
    """Installs what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts.install", description=__doc__)
    parser.add_argument("extras", nargs="+", help="the extras of pyproject.toml to install")
    parser.add_argument("--check", action="store_true", help="install nothing; fail if something would be")
    arguments = parser.parse_args()
    if arguments.check:
        return 0 if is_current(arguments.extras) else 1
    started_at = time.monotonic()
    with only_one_at_a_time():
        if not is_current(arguments.extras):
            extras = sorted({*arguments.extras, *installed_extras()})
            install(extras)
            record_finished(extras)
            print(f"Installed in {time.monotonic() - started_at:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        sys.exit(f"runstream: {error}")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"runstream: the disk under {ROOT} is full: free some space and run the same command again")
    except KeyboardInterrupt:
        sys.exit("runstream: interrupted; the same command goes on from here")
