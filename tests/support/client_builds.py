"""Builds the examples of clients in other languages, and the programs that the contract is tested with."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
NEEDED = "RUNSTREAM_REQUIRE_TOOLCHAINS"
"""Set where all toolchains are installed: what is missing there fails the tests instead of skipping them."""


@dataclass(frozen=True)
class Programs:
    """The commands of a language's example and of its program for the contract."""

    example: list[str]
    contract: list[str]


@dataclass(frozen=True)
class Toolchain:
    """What builds a language's programs.

    Attributes:
        tools: Paths, and commands of the PATH, that must be there.
        packages: The packages of Debian 12 that have them.
        build: Builds the programs into a folder.
    """

    tools: tuple[str, ...]
    packages: str
    build: Callable[[Path], Programs]


def _run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _build_go(folder: Path) -> Programs:
    """Builds as Debian does: its packages are sources below /usr/share/gocode, not modules."""
    module = folder / "src" / "github.com" / "runstream" / "runstream"
    if not module.is_symlink():
        module.parent.mkdir(parents=True)
        module.symlink_to(ROOT)
    outside = {"GO111MODULE": "off", "GOPATH": f"{folder}:/usr/share/gocode", "GOFLAGS": ""}
    for name, source in (("example", "clients/go/example"), ("contract", "tests/clients/go")):
        _run("go", "build", "-o", folder / name, f"github.com/runstream/runstream/{source}", **outside)
    return Programs([str(folder / "example")], [str(folder / "contract")])


TOOLCHAINS = {
    "go": Toolchain(
        ("go", "/usr/share/gocode/src/google.golang.org/grpc", "/usr/share/gocode/src/google.golang.org/protobuf"),
        "golang-go golang-google-grpc-dev golang-google-protobuf-dev golang-github-golang-protobuf-1-5-dev",
        _build_go,
    ),
}


def built(language: str) -> Programs:
    """A language's programs, built anew where their sources changed; skips the test if its tools are missing."""
    toolchain = TOOLCHAINS[language]
    missing = [tool for tool in toolchain.tools if not shutil.which(tool) and not Path(tool).exists()]
    if missing:
        words = f"{language}: no {', '.join(missing)}; on Debian 12: apt-get install {toolchain.packages}"
        if os.environ.get(NEEDED):
            pytest.fail(words)
        pytest.skip(words)
    return toolchain.build(CLIENTS / language / "build")
