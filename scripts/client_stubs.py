"""Generates the stubs that are committed for languages besides Python: `python -m scripts.client_stubs`.

The generators for Go and Java are those of Debian 12: what they write is compiled by the tests with that release's
libraries, and with no newer ones. The one for TypeScript is that of clients/typescript/package.json.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.stubs import ROOT

THIRD_PARTY = "clients/cpp/third_party"
TYPESCRIPT = ROOT / "clients" / "typescript"
REQUIRED = "RUNSTREAM_REQUIRE_TOOLCHAINS"
"""Set where everything that checks and tests drive is installed: what is missing there is a problem."""


@dataclass(frozen=True)
class Stubs:
    """How a language's stubs are generated.

    Attributes:
        language: Its name.
        folder: Where they stand in the repository.
        suffix: How the names of the files end.
        generators: What must be installed, with what it says to --version; empty for one that says nothing.
        source: What installs them.
        options: What protoc is told, with {} for the folder that it writes to.
        protoc: The command of protoc.
        others: Files beside the contract, below `THIRD_PARTY`, that stubs are generated of.
    """

    language: str
    folder: Path
    suffix: str
    generators: dict[str, str]
    source: str
    options: tuple[str, ...]
    protoc: tuple[str, ...] = ("protoc",)
    others: tuple[str, ...] = ()

    def missing(self) -> str:
        """Says which generator is not here in its version; empty if all are."""
        others = [f"{name} {version}".strip() for name, version in self.generators.items() if not _has(name, version)]
        return f"{', '.join(others)} ({self.source})" if others else ""

    def generate(self, folder: Path) -> None:
        """Writes them below a folder, which must exist.

        Raises:
            subprocess.CalledProcessError: protoc refuses the contract; it has said why.
        """
        protos = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("protos/runstream/v1/*.proto"))
        options = [option.format(folder) for option in self.options]
        command = [*self.protoc, "-Iprotos", f"-I{THIRD_PARTY}", *options, *protos, *self.others]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": _path()}, check=True)
        for path in folder.rglob("*Grpc.java"):
            path.write_text(_GENERATED.sub("", path.read_text()))

    def files(self, folder: Path) -> dict[str, bytes]:
        """The stubs below a folder, by their paths in it."""
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob(f"*{self.suffix}")}


def _path() -> str:
    """Where protoc finds generators: those of npm as well, and the Node.js that runs them."""
    folders = [TYPESCRIPT / "node_modules" / ".bin", Path(sys.executable).parent]
    return os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])


def _has(name: str, version: str) -> bool:
    path = shutil.which(name, path=_path())
    if path is None:
        return False
    command, environment = [path, "--version"], {**os.environ, "PATH": _path()}
    return (
        not version
        or version == subprocess.run(command, capture_output=True, text=True, env=environment).stdout.strip()
    )


# An annotation that left Java with version 11, and would make every user need a package for it.
_GENERATED = re.compile(r"^@javax\.annotation\.Generated\([^)]*\)\n", re.MULTILINE)
_PROTOC = {"protoc": "libprotoc 3.21.12"}
_APT = "on Debian 12: apt-get install"
_GO_PACKAGES = "module=github.com/runstream/runstream/clients/go/runstream"
_GRPC_JAVA = shutil.which("grpc_java_plugin") or "grpc_java_plugin"
_PROTOC_GEN_ES = json.loads((TYPESCRIPT / "package.json").read_text())["devDependencies"]["@bufbuild/protoc-gen-es"]

ALL = (
    Stubs(
        "Go",
        ROOT / "clients" / "go" / "runstream",
        ".pb.go",
        _PROTOC | {"protoc-gen-go": "protoc-gen-go v1.28.1", "protoc-gen-go-grpc": "protoc-gen-go-grpc 1.0"},
        f"{_APT} protobuf-compiler protoc-gen-go protoc-gen-go-grpc",
        ("--go_out={}", f"--go_opt={_GO_PACKAGES}", "--go-grpc_out={}", f"--go-grpc_opt={_GO_PACKAGES}"),
    ),
    Stubs(
        "Java",
        ROOT / "clients" / "java" / "src" / "main" / "java",
        ".java",
        _PROTOC | {"grpc_java_plugin": ""},  # it has no --version
        f"{_APT} protobuf-compiler protobuf-compiler-grpc-java-plugin",
        ("--java_out={}", f"--plugin=protoc-gen-grpc-java={_GRPC_JAVA}", "--grpc-java_out={}"),
    ),
    Stubs(
        "TypeScript",
        TYPESCRIPT / "src" / "stubs",
        "_pb.ts",
        {"protoc-gen-es": f"protoc-gen-es v{_PROTOC_GEN_ES}"},
        "`python -m scripts.real_clients` installs it",
        ("--es_out={}", "--es_opt=target=ts,import_extension=js"),
        (sys.executable, "-m", "grpc_tools.protoc"),
        ("google/rpc/error_details.proto", "google/rpc/status.proto", "grpc/health/v1/health.proto"),
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
    left_out = [stubs for stubs in ALL if stubs.missing()]
    for stubs in ALL:
        if stubs not in left_out:
            for path in stubs.files(stubs.folder):
                (stubs.folder / path).unlink()
            stubs.generate(stubs.folder)
    problems = say_missing(left_out, "generated")
    print("\n".join(problems), end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
