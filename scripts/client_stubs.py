"""Generates the stubs that are committed for languages besides Python: `python -m scripts.client_stubs`.

The generators are those of Debian 12: what they write compiles there and with every newer library.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.stubs import ROOT

REQUIRED = "RUNSTREAM_REQUIRE_TOOLCHAINS"
"""Set where all generators are installed: there a missing one is a problem."""


@dataclass(frozen=True)
class Stubs:
    """How a language's stubs are generated.

    Attributes:
        language: Its name.
        folder: Where they stand in the repository.
        suffix: How the names of the files end.
        generators: What must be installed, with what it says to --version; empty for one that says nothing.
        packages: The packages of Debian 12 that have them.
        options: What protoc is told, with {} for the folder that it writes to.
    """

    language: str
    folder: Path
    suffix: str
    generators: dict[str, str]
    packages: str
    options: tuple[str, ...]

    def missing(self) -> str:
        """Says which generator is not here in its version; empty if all are."""
        others = [f"{name} {version}".strip() for name, version in self.generators.items() if not _has(name, version)]
        return f"{', '.join(others)} (on Debian 12: apt-get install {self.packages})" if others else ""

    def generate(self, folder: Path) -> None:
        """Writes them below a folder, which must exist.

        Raises:
            subprocess.CalledProcessError: protoc refuses the contract; it has said why.
        """
        protos = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("protos/runstream/v1/*.proto"))
        options = [option.format(folder) for option in self.options]
        subprocess.run(["protoc", "-Iprotos", *options, *protos], cwd=ROOT, check=True)
        for path in folder.rglob("*Grpc.java"):
            path.write_text(_GENERATED.sub("", path.read_text()))

    def files(self, folder: Path) -> dict[str, bytes]:
        """The stubs below a folder, by their paths in it."""
        found = folder.rglob(f"*{self.suffix}")
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _has(name: str, version: str) -> bool:
    path = shutil.which(name)
    if path is None:
        return False
    return not version or version == subprocess.run([path, "--version"], capture_output=True, text=True).stdout.strip()


# An annotation that left Java with version 11, and would make every user need a package for it.
_GENERATED = re.compile(r"^@javax\.annotation\.Generated\([^)]*\)\n", re.MULTILINE)
_PROTOC = {"protoc": "libprotoc 3.21.12"}
_GO_MODULE = "module=github.com/runstream/runstream/clients/go"

ALL = (
    Stubs(
        "Go",
        ROOT / "clients" / "go",
        ".pb.go",
        _PROTOC | {"protoc-gen-go": "protoc-gen-go v1.28.1", "protoc-gen-go-grpc": "protoc-gen-go-grpc 1.0"},
        "protobuf-compiler protoc-gen-go protoc-gen-go-grpc",
        ("--go_out={}", f"--go_opt={_GO_MODULE}", "--go-grpc_out={}", f"--go-grpc_opt={_GO_MODULE}"),
    ),
    Stubs(
        "Java",
        ROOT / "clients" / "java" / "src" / "main" / "java",
        ".java",
        _PROTOC | {"grpc_java_plugin": ""},  # it has no --version
        "protobuf-compiler protobuf-compiler-grpc-java-plugin",
        ("--java_out={}", "--plugin=protoc-gen-grpc-java=/usr/bin/grpc_java_plugin", "--grpc-java_out={}"),
    ),
)


def unlike(expected: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """The paths of files that are missing, left over or different."""
    return sorted(path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path))


def say_missing(stubs: Iterable[Stubs], verb: str) -> list[str]:
    """Says which languages were left out and why; returns that as problems where everything must be there."""
    lines = [f"{each.language}: its stubs are not {verb} without {each.missing()}" for each in stubs]
    if os.environ.get(REQUIRED):
        return lines
    print("\n".join(lines), end="\n" if lines else "", file=sys.stderr)
    return []


def main() -> int:
    """Generates what can be here; returns the exit status."""
    for stubs in ALL:
        if not stubs.missing():
            for path in stubs.files(stubs.folder):
                (stubs.folder / path).unlink()
            stubs.generate(stubs.folder)
    problems = say_missing((stubs for stubs in ALL if stubs.missing()), "generated")
    print("\n".join(problems), end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
