"""The library is built once, atomically, and its absence is told."""

import contextlib
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.engine.native.build import SOURCES, BuildError, build, native_flags
from service.engine.native.library import Library, native_library
from tests.support.missing_tools import skip_or_fail
from tests.support.native import VECTOR_FLAGS, built_library


def fake_compiler(folder: Path, script: str) -> Path:
    path = folder / "c++-of-the-test"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def copier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that takes no time: it copies what the real one has made; before that it reads $GATE to its end."""
    script = f'''case "$*" in *-dM*) exit ;; esac
cat "${{GATE-/dev/null}}"
while [ "$1" != -o ]; do shift; done
exec cp '{built_library()}' "$2"'''
    monkeypatch.setenv("CXX", str(fake_compiler(tmp_path, script)))


@pytest.mark.usefixtures("copier")
def test_a_library_is_built_once(tmp_path: Path) -> None:
    path = build((), tmp_path / "kept")
    first = path.stat()
    assert build((), tmp_path / "kept") == path
    assert path.stat().st_mtime_ns == first.st_mtime_ns
    assert [it.name for it in (tmp_path / "kept").iterdir()] == [path.name]
    Library(path)


def test_other_vector_flags_are_another_library(library: Library) -> None:
    names = {build(flags, Path(library.path).parent).name for flags in (None, ())}
    assert len(names) == 2


@pytest.mark.usefixtures("copier")
def test_starts_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from service.engine.native.build import build\n"
        "from service.engine.native.library import Library\n"
        "Library(build((), Path(sys.argv[1])))"
    )
    kept, gates = tmp_path / "kept", [tmp_path / f"gate-{number}" for number in range(3)]
    for gate in gates:
        os.mkfifo(gate)
    command = [sys.executable, "-c", code, str(kept)]
    started = [subprocess.Popen(command, env={**os.environ, "GATE": str(gate)}) for gate in gates]
    with contextlib.ExitStack() as all_compile:
        for gate in gates:
            all_compile.enter_context(gate.open("w"))  # waits for who reads it
    assert [process.wait() for process in started] == [0, 0, 0]
    assert len(list(kept.iterdir())) == 1


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'x.cpp:1: error: no such instruction' >&2; exit 1", "error: no such instruction"),
        ("exit 3", "fails: without a word"),
    ],
)
def test_a_compiler_that_fails_is_told(script: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(fake_compiler(tmp_path, script)))
    with pytest.raises(BuildError, match=told):
        build(folder=tmp_path / "kept")


def test_without_a_compiler_one_line_tells_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    native_library.cache_clear()
    try:
        assert native_library() is None
        assert native_library() is None
    finally:
        native_library.cache_clear()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "install g++ or set CXX" in record.getMessage()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="can't be written"):
        build((), tmp_path / "file" / "below")


@pytest.mark.usefixtures("copier")
def test_the_cache_folder_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build(()).parent == tmp_path / "runstream" / "native"


@pytest.mark.parametrize("flags", VECTOR_FLAGS.values(), ids=VECTOR_FLAGS)
def test_the_sources_compile_without_warnings(flags: tuple[str, ...] | None, tmp_path: Path) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        skip_or_fail("there is no g++")
    # GCC 12 takes what its own headers leave undefined for a mistake of ours.
    strict = ("-Wall", "-Wextra", "-Werror", "-Wno-maybe-uninitialized", "-Wno-uninitialized")
    vectors = native_flags() if flags is None else flags
    sources = map(str, sorted(SOURCES.glob("*.cpp")))
    subprocess.run([compiler, "-std=c++17", "-fopenmp", "-fsyntax-only", *strict, *vectors, *sources], check=True)
