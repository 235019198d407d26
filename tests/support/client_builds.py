"""Builds the examples of clients in other languages, and the programs that the contract is tested with."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.real_clients import NODE, has_typescript
from tests.support.missing_tools import skip_or_fail

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"

_JARS = (
    "grpc-netty",
    "protobuf-util",
    "netty-codec-http2",
    "perfmark-api",
    "jsr305",
    "gson",
    "netty-tcnative",
)


@dataclass(frozen=True)
class Programs:
    """A language's example and its program for the contract.

    Attributes:
        example: The example's command; it takes the address and the file with the authority's certificate, if any.
        contract: The command of the other.
        flags: What stands before the two arguments of the example.
    """

    example: list[str]
    contract: list[str]
    flags: tuple[str, str] | None = None

    def example_for(self, address: str, ca: str) -> list[str]:
        """The command that asks a service; with TLS if there is an authority."""
        arguments = [address, ca] if ca else [address]
        if self.flags is None:
            return self.example + arguments
        return self.example + [each for pair in zip(self.flags, arguments, strict=False) for each in pair]


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
    module = "github.com/runstream/runstream/clients/go"
    for name in ("runstream", "example"):
        shutil.copytree(CLIENTS / "go" / name, folder / "src" / module / name, dirs_exist_ok=True)
    shutil.copytree(ROOT / "tests" / "clients" / "go", folder / "src" / "contract", dirs_exist_ok=True)
    outside = {"GO111MODULE": "off", "GOPATH": f"{folder}:/usr/share/gocode", "GOFLAGS": ""}
    _run("go", "vet", f"{module}/...", "contract", **outside)
    for name, source in (("example", f"{module}/example"), ("contract", "contract")):
        _run("go", "build", "-o", folder / name, source, **outside)
    return Programs([str(folder / "example")], [str(folder / "contract")], ("-address", "-ca"))


def _build_cpp(folder: Path) -> Programs:
    _run("cmake", "-S", "tests/clients/cpp", "-B", folder, "-DCMAKE_BUILD_TYPE=Debug")
    _run("cmake", "--build", folder, "--parallel", "2")
    return Programs([str(folder / "client" / "example")], [str(folder / "contract")])


def _build_python(folder: Path) -> Programs:
    """Builds nothing: the client is installed here as it stands."""
    example, contract = CLIENTS / "python/examples/tour.py", ROOT / "tests/clients/python/program.py"
    return Programs([sys.executable, str(example)], [sys.executable, str(contract)])


def _build_java(folder: Path) -> Programs:
    _run("clients/java/build.sh", "tests/clients/java/Contract.java", BUILD=str(folder))
    java = ["java", "-XX:TieredStopAtLevel=1", f"@{folder}/options"]  # what runs for a second gains from no more
    return Programs([*java, "Example"], [*java, "Contract"])


@functools.cache
def build_typescript() -> None:
    """Compiles the TypeScript client; skips the test where its tools are not installed."""
    if not has_typescript():
        skip_or_fail("clients/typescript/node_modules is not as package-lock.json has it: run `make setup-dev`")
    _run(NODE, CLIENTS / "typescript/node_modules/typescript/bin/tsc", "-p", CLIENTS / "typescript")


def _build_typescript(folder: Path) -> Programs:
    """Puts the program inside the package, where its name means itself."""
    build_typescript()
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "tests/clients/typescript/program.mjs", folder)
    return Programs(
        [str(NODE), str(CLIENTS / "typescript/examples/tour.mjs")], [str(NODE), str(folder / "program.mjs")]
    )


TOOLCHAINS = {
    "go": Toolchain(
        ("go", "/usr/share/gocode/src/google.golang.org/grpc", "/usr/share/gocode/src/google.golang.org/protobuf"),
        "golang-go golang-google-grpc-dev golang-google-protobuf-dev golang-github-golang-protobuf-1-5-dev",
        _build_go,
    ),
    "cpp": Toolchain(
        ("cmake", "make", "g++", "protoc", "grpc_cpp_plugin", "/usr/include/grpcpp/grpcpp.h"),
        "cmake make g++ libgrpc++-dev protobuf-compiler protobuf-compiler-grpc",
        _build_cpp,
    ),
    "python": Toolchain((), "python3", _build_python),
    "typescript": Toolchain((), "python3", _build_typescript),
    "java": Toolchain(
        ("javac", "protoc", "grpc_java_plugin", *(f"/usr/share/java/{name}.jar" for name in _JARS)),
        "default-jdk-headless libgrpc-java libprotobuf-java libnetty-java libperfmark-java libjsr305-java "
        "libgoogle-gson-java libnetty-tcnative-java libnetty-tcnative-jni protobuf-compiler "
        "protobuf-compiler-grpc-java-plugin",
        _build_java,
    ),
}


@functools.cache
def built(language: str) -> Programs:
    """A language's programs, built anew where their sources changed; skips the test if its tools are missing."""
    toolchain = TOOLCHAINS[language]
    missing = [tool for tool in toolchain.tools if not shutil.which(tool) and not Path(tool).exists()]
    if missing:
        skip_or_fail(f"{language}: no {', '.join(missing)}; on Debian 12: apt-get install {toolchain.packages}")
    return toolchain.build(CLIENTS / language / "build")
