"""The shared library: compiled by the user's own compiler at the first start, and kept in the user's cache folder."""

import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

_log = logging.getLogger(__name__)

SOURCES = Path(__file__).parent / "src"
_COMPILERS = ("g++", "clang++", "c++")
_ASK_TIMEOUT_S = 20.0
COMPILE_TIMEOUT_S = 120.0
"""The time by which compiling may prolong a start. Usual are a few seconds."""

FLAGS = (
    "-std=c++17",
    "-O3",
    "-fopenmp",
    "-fPIC",
    "-shared",
    "-ffp-contract=off",  # or bits would hang on what a compiler fuses
    "-w",  # a user can do nothing about warnings; the tests compile with them
)


class BuildError(Exception):
    """The library can't be built; the message says why."""


def native_flags() -> tuple[str, ...]:
    """The flags by which a compiler uses all that this processor has."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64", "i686")
    return ("-march=native",) if is_x86 else ("-mcpu=native",)


def build(
    vector_flags: Sequence[str] | None = None, folder: Path | None = None, timeout_s: float = COMPILE_TIMEOUT_S
) -> Path:
    """Compiles the library unless it is there.

    Args:
        vector_flags: What it may use of the processor; None for everything.
        folder: Where it is kept; None for the user's cache folder.
        timeout_s: How long the compiler may take.

    Returns:
        Its file, whose name changes with sources, flags, compiler and processor.

    Raises:
        BuildError: There is no compiler, or it fails or takes too long, or nothing can be written there.
    """
    command = [_compiler(), *FLAGS, *(native_flags() if vector_flags is None else vector_flags)]
    folder = _cache_folder() if folder is None else folder
    library = folder / f"native-{_key(command)}.so"
    if not library.exists():
        _log.info("%s compiles products for this processor, once", command[0])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _compile(command, library, timeout_s)
        except OSError as error:
            raise BuildError(f"{library} can't be written: {error}") from error
    return library


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "runstream" / "native"


def _compiler() -> str:
    names = (chosen,) if (chosen := os.environ.get("CXX")) else _COMPILERS
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise BuildError(f"there is no C++ compiler ({', '.join(names)}): install g++ or set CXX")
    return found


def _key(command: Sequence[str]) -> str:
    """A hash of all that the compiled code depends on."""
    digest = hashlib.sha256(repr(command).encode())
    # All macros: they tell the compiler's version and what it may use of the processor.
    asked = [command[0], *(flag for flag in command[1:] if flag != "-shared"), "-dM", "-E", "-x", "c++", os.devnull]
    digest.update(_run(asked, _ASK_TIMEOUT_S))
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:24]


def _compile(command: Sequence[str], library: Path, timeout_s: float) -> None:
    """Compiles in a folder of its own, so that others that start at once see the whole file or none."""
    with tempfile.TemporaryDirectory(dir=library.parent, prefix="building-") as folder:
        built = Path(folder) / library.name
        _run([*command, "-o", str(built), *map(str, sorted(SOURCES.glob("*.cpp")))], timeout_s)
        built.replace(library)


def _run(command: Sequence[str], timeout_s: float) -> bytes:
    try:
        return subprocess.run(command, capture_output=True, check=True, timeout=timeout_s).stdout  # noqa: S603
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode(errors="replace").strip().splitlines() or ["without a word"]
        first = next((line for line in told if "error" in line), told[0])
        raise BuildError(f"{command[0]} fails: {first[:300]}") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{command[0]} takes more than {timeout_s:.0f} s") from error
