"""The packages of C++, Go and Java, each used by a project in an empty folder; npm and pip have tests of their own."""

import asyncio
import os
import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from scripts.check_versions import project
from tests.support.client_builds import CLIENTS, built, toolchain_of
from tests.support.fake_service import FakeService, running
from tests.support.repository import FILES

CMAKE_PROJECT = """
cmake_minimum_required(VERSION 3.22)
project(app LANGUAGES CXX)
find_package(runstream MAJOR.MINOR REQUIRED)
add_executable(app main.cpp)
target_link_libraries(app PRIVATE runstream::runstream)
"""
GO_MODULE = "github.com/runstream/runstream/clients/go"


def run(*command, **environment):
    """Runs a command, which must end well."""
    done = subprocess.run(list(map(str, command)), env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def cpp_app(folder):
    """The example, built by a project that finds what `cmake --install` has put somewhere."""
    build = Path(built("cpp").contract[0]).parent
    major_minor = project("pyproject.toml")["project"]["version"].rpartition(".")[0]
    (folder / "CMakeLists.txt").write_text(CMAKE_PROJECT.replace("MAJOR.MINOR", major_minor))
    shutil.copy(CLIENTS / "cpp/example/main.cpp", folder)
    run("cmake", "--install", build, "--prefix", folder / "installed")
    run("cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={folder}/installed")
    run("cmake", "--build", folder / "build")
    return [folder / "build/app"]


def go_app(folder):
    """The example of the module as git has it, beside nothing but Debian's packages."""
    toolchain_of("go")
    for path in FILES:
        if path.is_relative_to(CLIENTS / "go"):
            copy = folder / "src" / GO_MODULE / path.relative_to(CLIENTS / "go")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    outside = {"GO111MODULE": "off", "GOPATH": f"{folder}:/usr/share/gocode", "GOFLAGS": ""}
    run("go", "build", "-o", folder / "app", f"{GO_MODULE}/example", **outside)
    return [folder / "app", "-address"]


def jar():
    """The jar that build.sh makes."""
    return java_options().parent / "runstream-client.jar"


def java_options():
    """The file of options that build.sh writes for its example."""
    return Path(built("java").contract[-2].removeprefix("@"))


def java_app(folder):
    """The example, compiled against the jar, with the stubs that Debian's libraries lack."""
    shutil.copy(jar(), folder)
    shutil.copytree(java_options().parent / "generated", folder / "generated")
    shutil.copy(CLIENTS / "java/example/Example.java", folder)
    _, built_with, _ = shlex.split(java_options().read_text())
    libraries = [path for path in built_with.split(":") if path.startswith("/usr/share/java/")]
    classpath = ":".join([f"{folder}/runstream-client.jar", f"{folder}/classes", *libraries])
    sources = [folder / "Example.java", *(folder / "generated").rglob("*.java")]
    run("javac", "--release", "11", "-nowarn", "-d", folder / "classes", "-classpath", classpath, *sources)
    return ["java", "-XX:TieredStopAtLevel=1", "-classpath", classpath, "Example"]


@pytest.mark.parametrize("app", [cpp_app, go_app, java_app])
async def test_a_project_that_has_the_package_asks_a_service(app, tmp_path):
    command = app(tmp_path)
    fake = FakeService()
    async with running(fake):
        process = await asyncio.create_subprocess_exec(*command, fake.target, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
    assert output.decode().splitlines()[:3] == ["health: SERVING", "New York (3 tokens)", "New York"]


def test_the_jar_has_the_contract_s_classes_and_no_others():
    with zipfile.ZipFile(jar()) as archive:
        classes = {name for name in archive.namelist() if name.endswith(".class")}
    assert "dev/runstream/v1/TextGenerationServiceGrpc.class" in classes
    assert {str(Path(name).parent) for name in classes} == {"dev/runstream/v1"}
