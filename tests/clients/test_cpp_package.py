"""The C++ package as `cmake --install` puts it somewhere, and the files of others that it carries."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import google.rpc
import pytest

from tests.support.client_builds import CLIENTS, built
from tests.support.fake_service import FakeService, running

CPP = CLIENTS / "cpp"
PROJECT = """
cmake_minimum_required(VERSION 3.22)
project(app LANGUAGES CXX)
find_package(runstream 0.1 REQUIRED)
add_executable(app main.cpp)
target_link_libraries(app PRIVATE runstream::runstream)
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The example, built by a project that has nothing but what was installed."""
    build = Path(built("cpp").contract[0]).parent
    folder = tmp_path_factory.mktemp("app")
    (folder / "CMakeLists.txt").write_text(PROJECT)
    shutil.copy(CPP / "example" / "main.cpp", folder)
    for command in (
        ["cmake", "--install", build, "--prefix", folder / "installed"],
        ["cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={folder}/installed"],
        ["cmake", "--build", folder / "build"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build" / "app"


async def test_a_project_that_finds_the_installed_package_asks_a_service(app):
    fake = FakeService()
    async with running(fake):
        process = await asyncio.create_subprocess_exec(app, fake.target, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
    assert output.decode().splitlines()[:3] == ["health: SERVING", "New York (3 tokens)", "New York"]


@pytest.mark.parametrize("name", ["status.proto", "error_details.proto"])
def test_the_files_of_google_rpc_are_those_of_the_pinned_wheel(name):
    (wheel,) = google.rpc.__path__
    assert (CPP / "third_party" / "google" / "rpc" / name).read_bytes() == (Path(wheel) / name).read_bytes()
