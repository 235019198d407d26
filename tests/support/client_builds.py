"""Builds the examples of clients in other languages, and the programs that the contract is tested with."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from scripts.real_clients import NODE, NPM, has_typescript
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
_TCNATIVE = next(map(str, Path("/usr/lib").glob("*/jni/libnetty-tcnative.so")), "/usr/lib/*/jni/libnetty-tcnative.so")


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
        packages: The packages of Debian 12 that have them; empty where there are none.
        build: Builds the programs into a folder, which is there; None where nothing is built.
        programs: The programs that are then in it.
    """

    tools: tuple[str, ...]
    packages: str
    build: Callable[[Path], None] | None
    programs: Callable[[Path], Programs]


def build_once(folder: Path, name: str, build: Callable[[], object]) -> None:
    """Builds something unless another process of the same test run has; one process at a time.

    Args:
        folder: Where that is noted; it is made.
        name: What is built, as the files are named that note it.
        build: Builds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
    built_by = folder / f".{name}.built"
    with FileLock(folder / f".{name}.lock"):
        if not (run and built_by.exists() and built_by.read_text() == run):
            build()
            built_by.write_text(run)


def _run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _build_go(folder: Path) -> None:
    """Builds as Debian does: its packages are sources below /usr/share/gocode, not modules."""
    module = "github.com/runstream/runstream/clients/go"
    shutil.rmtree(folder / "src", ignore_errors=True)
    for name in ("runstream", "example"):
        shutil.copytree(CLIENTS / "go" / name, folder / "src" / module / name)
    shutil.copytree(ROOT / "tests" / "clients" / "go", folder / "src" / "contract")
    outside = {"GO111MODULE": "off", "GOPATH": f"{folder}:/usr/share/gocode", "GOFLAGS": ""}
    _run("go", "vet", f"{module}/...", "contract", **outside)
    for name, source in (("example", f"{module}/example"), ("contract", "contract")):
        _run("go", "build", "-o", folder / name, source, **outside)


def _go(folder: Path) -> Programs:
    return Programs([str(folder / "example")], [str(folder / "contract")], ("-address", "-ca"))


def kept_objects() -> dict[str, str]:
    """The variables with which CMake compiles through ccache, where it is installed.

    Objects of the same text are then compiled once for all checkouts, and for a page's readers, too.
    """
    if not shutil.which("ccache"):
        return {}
    written_anew = "include_file_mtime,include_file_ctime"  # stubs are, with the same text
    return {
        "CMAKE_CXX_COMPILER_LAUNCHER": "ccache",
        "CCACHE_BASEDIR": str(ROOT),
        "CCACHE_NOHASHDIR": "1",
        "CCACHE_SLOPPINESS": written_anew,
    }


def _build_cpp(folder: Path) -> None:
    _run("cmake", "-S", "tests/clients/cpp", "-B", folder, **kept_objects())
    _run("cmake", "--build", folder, "--parallel", "2", **kept_objects())


def _cpp(folder: Path) -> Programs:
    return Programs([str(folder / "client" / "example")], [str(folder / "contract")])


def _python(folder: Path) -> Programs:
    """The client is installed here as it stands."""
    example, contract = CLIENTS / "python/examples/tour.py", ROOT / "tests/clients/python/program.py"
    return Programs([sys.executable, str(example)], [sys.executable, str(contract)])


def _java_folder(folder: Path) -> Path:
    return folder / "with a space"  # as users' folders may have


def _build_java(folder: Path) -> None:
    _run("clients/java/build.sh", "tests/clients/java/Contract.java", BUILD=str(_java_folder(folder)))


def _java(folder: Path) -> Programs:
    options = f"@{_java_folder(folder)}/options"
    java = ["java", "-XX:TieredStopAtLevel=1", options]  # what runs for a second gains from no more
    return Programs([*java, "Example"], [*java, "Contract"])


@functools.cache
def build_typescript() -> None:
    """Compiles the TypeScript client, as its users do; skips the test where its tools are not installed."""
    if not has_typescript():
        skip_or_fail("clients/typescript/node_modules is not as package-lock.json has it: run `make setup-dev`")
    package = CLIENTS / "typescript"
    build_once(package / "build", "dist", lambda: npm_build(package))


def npm_build(package: Path) -> None:
    """Compiles a copy of the TypeScript client, which has its node_modules."""
    path = os.pathsep.join([str(NODE.parent), os.environ.get("PATH", os.defpath)])
    _run(NODE, NPM, "run", "build", "--prefix", package, "--silent", PATH=path)


def _build_typescript(folder: Path) -> None:
    """Puts the program inside the package, where its name means itself."""
    build_typescript()
    shutil.copy(ROOT / "tests/clients/typescript/program.mjs", folder)


def _typescript(folder: Path) -> Programs:
    return Programs(
        [str(NODE), str(CLIENTS / "typescript/examples/tour.mjs")], [str(NODE), str(folder / "program.mjs")]
    )


TOOLCHAINS = {
    "go": Toolchain(
        ("go", "/usr/share/gocode/src/google.golang.org/grpc", "/usr/share/gocode/src/google.golang.org/protobuf"),
        "golang-go golang-google-grpc-dev golang-google-protobuf-dev golang-github-golang-protobuf-1-5-dev",
        _build_go,
        _go,
    ),
    "cpp": Toolchain(
        ("cmake", "make", "g++", "protoc", "grpc_cpp_plugin", "/usr/include/grpcpp/grpcpp.h"),
        "cmake make g++ libgrpc++-dev protobuf-compiler protobuf-compiler-grpc",
        _build_cpp,
        _cpp,
    ),
    "python": Toolchain((), "", None, _python),
    "typescript": Toolchain((), "", _build_typescript, _typescript),
    "java": Toolchain(
        ("javac", "protoc", "grpc_java_plugin", _TCNATIVE, *(f"/usr/share/java/{name}.jar" for name in _JARS)),
        "default-jdk-headless libgrpc-java libprotobuf-java libnetty-java libperfmark-java libjsr305-java "
        "libgoogle-gson-java libnetty-tcnative-java libnetty-tcnative-jni protobuf-compiler "
        "protobuf-compiler-grpc-java-plugin",
        _build_java,
        _java,
    ),
}


def toolchain_of(language: str) -> Toolchain:
    """A language's toolchain; skips the test if one of its tools is missing."""
    toolchain = TOOLCHAINS[language]
    missing = [tool for tool in toolchain.tools if not shutil.which(tool) and not Path(tool).exists()]
    if missing:
        skip_or_fail(f"{language}: no {', '.join(missing)}; on Debian 12: apt-get install {toolchain.packages}")
    return toolchain


@functools.cache
def built(language: str) -> Programs:
    """A language's programs, built anew where their sources changed; skips the test if its tools are missing."""
    toolchain, folder = toolchain_of(language), CLIENTS / language / "build"
    if build := toolchain.build:
        build_once(folder, "programs", lambda: build(folder))
    return toolchain.programs(folder)
