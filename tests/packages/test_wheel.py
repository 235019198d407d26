"""The package `runstream`, the two servers, as a wheel: what is in it, and what it does in an empty environment."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.support.missing_tools import skip_or_fail
from tests.support.ports import unused_ports
from tests.support.processes import read_until
from tests.support.repository import FILES, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOPS = {name for name in PROJECT["tool"]["setuptools"]["packages"] if "." not in name}
LEFT_OUT = {"package.json", "package-lock.json", "jsconfig.json"}  # of whoever changes the playground
QUESTION = '{"prompt": "Where is New York?", "temperature": 0}'


def run(*command, cwd=ROOT, **environment):
    """Runs a command; what it said, if it ended well."""
    variables = {**os.environ, **environment}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built of the files that git has, with the pinned setuptools that is here."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in FILES:
        name = path.relative_to(ROOT)
        if name.parts[0] in TOPS | {"clients", "pyproject.toml", "README.md", "LICENSE"}:
            copy = folder / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, folder / "source")
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def names(wheel):
    """What is in it."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_it_has_every_file_of_the_servers_and_of_the_client_and_nothing_else(names):
    client = ROOT / "clients/python"
    ours = [path.relative_to(client if path.is_relative_to(client) else ROOT) for path in FILES]
    expected = {str(name) for name in ours if name.parts[0] in TOPS and name.name not in LEFT_OUT}
    assert {name for name in names if ".dist-info/" not in name} == expected


@pytest.mark.parametrize(
    "name",
    [
        "runstream/py.typed",
        "runstream/v1/text_generation_pb2.pyi",
        "service/catalog.toml",
        "service/demo/checkpoint/model.safetensors",
        "service/engine/native/src/decoder.cpp",
        "service/templates/llama-2.jinja",
        "bridge/playground/static/index.html",
        "bridge/playground/static/vendor/dompurify/LICENSE",
    ],
)
def test_it_has_what_is_no_python(names, name):
    assert name in names


def test_the_licence_goes_with_it(names):
    assert [name for name in names if name.endswith("licenses/LICENSE")]


@pytest.fixture
def empty(wheel, tmp_path):
    """The Python of an environment with nothing but what every installation has."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    with zipfile.ZipFile(wheel) as archive:
        (site,) = (tmp_path / "venv/lib").glob("python3*/site-packages")
        archive.extractall(site)
    return tmp_path / "venv/bin/python"


@pytest.mark.parametrize("server", ["service", "bridge"])
def test_without_its_extra_a_server_says_which_is_missing(empty, server, tmp_path):
    done = subprocess.run([str(empty), "-m", server], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: the packages of the {server} are not installed: pip install 'runstream[{server}]'"
    ]


def installed(wheel, folder):
    """The Python of a new environment with both servers and all that they need."""
    python = folder / "venv/bin/python"
    run(sys.executable, "-m", "venv", folder / "venv")
    constraint = ("--constraint", ROOT / "constraints.txt")
    try:
        run(python, "-m", "pip", "--quiet", "install", *constraint, f"{wheel}[service,bridge]")
    except AssertionError as error:
        skip_or_fail(f"pip could not install torch and the rest: {str(error)[-300:]}")
    return python


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_both_servers_answer_from_an_empty_folder(wheel, tmp_path):
    python, empty = installed(wheel, tmp_path), tmp_path / "empty"
    empty.mkdir()
    port, service_port = unused_ports(2)
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state")}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | home
    options = {"cwd": empty, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    serve = [python, "-m", "service", "--port", str(service_port), "--metrics-port", "0"]
    bridge = [python, "-m", "bridge", "--port", str(port), "--service", f"127.0.0.1:{service_port}"]
    with subprocess.Popen(serve, **options) as service, subprocess.Popen(bridge, **options) as front:
        try:
            read_until("service listening", service.stdout)
            read_until("bridge listening", front.stdout)
            url = f"http://127.0.0.1:{port}/client/v4/accounts/me/ai/run/@runstream/demo"
            assert '"response":"New York is' in run("curl", "--silent", url, "--data", QUESTION)
            assert "<title>" in run("curl", "--silent", f"http://127.0.0.1:{port}/")
        finally:
            front.terminate()
            service.terminate()
            front.communicate()
            service.communicate()
    assert not list(empty.iterdir())
