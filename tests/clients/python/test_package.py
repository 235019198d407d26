"""The package `runstream-client` as it is published: built, installed into an empty environment, and used there."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.missing_tools import skip_or_fail
from tests.support.repository import FILES, ROOT

SOURCE = ROOT / "clients/python"
STUBS = SOURCE / "runstream/v1"
BUILD_SDIST = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
NO_NETWORK = re.compile(r"(NewConnection|NameResolution|ConnectTimeout|Proxy|MaxRetry)Error|Retrying")
USE = """
from runstream import Client
class City:
    name: str
    @classmethod
    def model_json_schema(cls) -> dict[str, object]: ...
    @classmethod
    def model_validate_json(cls, text: str, /) -> "City": ...
with Client() as client:
    reveal_type(client.run("m", prompt="p", temperature=0).text)
    reveal_type(client.run("m", prompt="p", response_format=City).parsed.name)
    reveal_type(client.stream("m", prompt="p", response_format=City).result().parsed.name)
    client.run("m", prompt="p", temperture=0)
"""


def run(*command, cwd=ROOT):
    """Runs a command; what it said, if it ended well."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pip(*arguments):
    """Runs pip, of this environment."""
    return run(sys.executable, "-m", "pip", "--quiet", *arguments)


@pytest.fixture(scope="session")
def sdist(tmp_path_factory):
    """The source distribution, built of the files that git has."""
    folder = tmp_path_factory.mktemp("sdist")
    for path in FILES:
        if path.is_relative_to(SOURCE):
            copy = folder / "source" / path.relative_to(SOURCE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    run(sys.executable, "-c", BUILD_SDIST, folder, cwd=folder / "source")
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def wheel(sdist, tmp_path_factory):
    """The wheel, built of the source distribution with the pinned setuptools that is here."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, sdist)
    return next(folder.glob("*.whl"))


def environment(folder, wheel):
    """The Python of an empty environment with the wheel and what it needs."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin/python"
    try:
        pip("--python", python, "install", "--constraint", ROOT / "constraints.txt", wheel)
    except AssertionError as error:
        if NO_NETWORK.search(str(error)):
            skip_or_fail("pip can't reach the package index: the client was not installed into an empty environment")
        raise
    return python


@pytest.fixture(scope="session")
def python(wheel, tmp_path_factory):
    """The Python of an environment with the client."""
    return environment(tmp_path_factory.mktemp("empty"), wheel)


def test_the_source_distribution_has_sources_readme_and_license(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "pyproject.toml", "runstream/client.py", "runstream/v1/models_pb2.pyi"} <= names


def test_the_wheel_has_every_module_with_its_types_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        license_text = next(archive.read(name) for name in archive.namelist() if name.endswith("licenses/LICENSE"))
    expected = {str(path.relative_to(SOURCE)) for path in FILES if path.is_relative_to(SOURCE / "runstream")}
    assert names == expected
    assert license_text == (ROOT / "LICENSE").read_bytes()


def test_an_empty_environment_gets_three_packages_and_what_they_need(python):
    installed = {line.partition("==")[0].lower() for line in pip("--python", python, "freeze").splitlines()}
    names = {name.partition(" @ ")[0].replace("_", "-") for name in installed}
    assert names == {"runstream-client", "grpcio", "protobuf", "googleapis-common-protos", "typing-extensions"}


def test_the_installed_client_asks_the_real_service(python, running_stack, tmp_path):
    shutil.copy(SOURCE / "examples/run.py", tmp_path)
    said = run(python, "-W", "error", "run.py", "where is new york?", running_stack.service_address, cwd=tmp_path)
    assert "New York" in said
    found = run(python, "-c", "import runstream; print(runstream.__file__)", cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(python.parents[1])


def test_the_installed_command_says_what_it_needs_and_has_it_with_its_extra(
    python, wheel, running_stack, tmp_path_factory
):
    command = [python.with_name("runstream"), "run", "--target", running_stack.service_address, "where is new york?"]
    without = subprocess.run(command, capture_output=True, text=True)
    assert (without.returncode, without.stdout) == (2, "")
    assert "pip install 'runstream-client[cli]'" in without.stderr
    with_extra = environment(tmp_path_factory.mktemp("extra"), f"{wheel}[cli]")
    assert "New York" in run(with_extra.with_name("runstream"), *command[1:], cwd=with_extra.parent)


def test_the_installed_client_has_types(python, tmp_path):
    (tmp_path / "use.py").write_text(USE)
    command = [sys.executable, "-m", "mypy", "--python-executable", str(python), "--config-file=", "use.py"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    assert said.count('Revealed type is "str"') == 3
    assert 'Unexpected keyword argument "temperture"' in said


def test_no_version_is_taken_that_the_stubs_refuse():
    dependencies = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["dependencies"]
    requirements = {requirement.name: requirement.specifier for requirement in map(Requirement, dependencies)}
    (protobuf,) = set(re.findall(r"Protobuf Python Version: ([\d.]+)", (STUBS / "models_pb2.py").read_text()))
    (grpcio,) = set(re.findall(r"GRPC_GENERATED_VERSION = '([\d.]+)'", (STUBS / "models_pb2_grpc.py").read_text()))
    assert f">={protobuf}" in str(requirements["protobuf"])
    assert f">={grpcio}" in str(requirements["grpcio"])
