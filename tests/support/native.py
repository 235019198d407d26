"""The compiled library, for this and other processors, built once for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from service.engine.native.build import build
from service.engine.native.library import Library, native_library

VECTOR_FLAGS = {"native": None, "avx2": ("-mavx2", "-mfma", "-mf16c"), "plain": ()}
"""What each of the libraries may use of the processor; None for everything."""

_BUSY_MACHINE_S = 900.0


def has_cpu_flag(name: str) -> bool:
    """Tells if the processor has an extension, as Linux names it."""
    information = Path("/proc/cpuinfo")
    return information.exists() and f" {name} " in information.read_text()


@pytest.fixture(scope="session", params=VECTOR_FLAGS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The library for this processor, for one with AVX2, and for one of which nothing is known."""
    if request.param == "avx2" and not has_cpu_flag("avx2"):
        pytest.skip("this processor has no AVX2")
    # The folder that all processes of a run share.
    folder = tmp_path_factory.getbasetemp().parent / "native"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / f".{request.param}.lock"):
        return Library(build(VECTOR_FLAGS[request.param], folder, _BUSY_MACHINE_S))


def built_library() -> Path:
    """The library for this processor, where the user's services keep it; compiled if it is not there."""
    return build(timeout_s=_BUSY_MACHINE_S)


def cache_with_library(folder: Path) -> Path:
    """A folder for XDG_CACHE_HOME that has the compiled library and nothing else."""
    library = built_library()
    kept = folder / "runstream" / "native"
    kept.mkdir(parents=True)
    (kept / library.name).symlink_to(library)
    return folder


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host without a C++ compiler."""
    monkeypatch.setenv("CXX", "there-is-none")
    native_library.cache_clear()
    yield
    native_library.cache_clear()
