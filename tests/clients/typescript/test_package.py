"""The package `runstream` as it is published: packed, installed into an empty folder, and used there."""

import json
import shutil
import subprocess
import tarfile

import pytest

from scripts.real_clients import NODE
from tests.support.client_builds import CLIENTS, npm_build
from tests.support.npm_packages import install, pack
from tests.support.repository import FILES, ROOT

SOURCE = CLIENTS / "typescript"


@pytest.fixture(scope="session")
def tarball(package, tmp_path_factory):
    """The package, built of the files that git has, where an older build has left something, and packed."""
    folder = tmp_path_factory.mktemp("packed")
    source = folder / "source"
    for path in FILES:
        if path.is_relative_to(SOURCE):
            copy = source / path.relative_to(SOURCE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    (source / "node_modules").symlink_to(package / "node_modules")
    (source / "dist").mkdir()
    (source / "dist/gone.js").touch()
    npm_build(source)
    return pack(source, folder)


@pytest.fixture(scope="session")
def installed(tarball, tmp_path_factory):
    """A folder with nothing but the package and what it needs."""
    folder = tmp_path_factory.mktemp("empty")
    install(folder, tarball)
    return folder


def test_the_tarball_has_modules_types_examples_and_license(tarball):
    with tarfile.open(tarball) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
        license_file = archive.extractfile("package/LICENSE")
        assert license_file is not None
        assert license_file.read() == (ROOT / "LICENSE").read_bytes()
    assert {"README.md", "package.json", "dist/index.js", "dist/index.d.ts", "examples/run.mjs"} <= names
    modules = {path.relative_to(SOURCE / "src").with_suffix("") for path in (SOURCE / "src").rglob("*.ts")}
    compiled = {name for name in names if name.startswith("dist/")}
    assert compiled == {f"dist/{module}.{end}" for module in modules for end in ("js", "d.ts")}
    assert not any(name.startswith(("src/", "build/", "node_modules/")) for name in names)


def test_publishing_builds_first():
    scripts = json.loads((SOURCE / "package.json").read_text())["scripts"]
    assert scripts["prepack"] == "npm run build"


def test_an_empty_folder_gets_three_packages_beside_it(installed):
    found = json.loads((installed / "node_modules/.package-lock.json").read_text())["packages"]
    names = {name.removeprefix("node_modules/") for name in found}
    assert names == {"runstream", "@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"}


@pytest.fixture(scope="session")
def examples(installed):
    """The package's examples in that folder, as a user copies them."""
    for example in (installed / "node_modules/runstream/examples").glob("*.mjs"):
        shutil.copy(example, installed)
    return installed


@pytest.mark.parametrize(
    ("example", "said"),
    [
        ("run", "New York"),
        ("stream", " characters)"),
        ("tools", "weather({"),
        ("structured", " lies in "),
        ("batch", "Berlin: "),
        ("errors", "change sampling_params.temperature: "),
        ("tour", "New York"),
    ],
)
def test_the_installed_client_s_examples_ask_the_real_service(examples, running_stack, example, said):
    asked = {"run": ["where is new york?"], "stream": ["a story"], "structured": ["a city"], "errors": ["@no/such"]}
    command = [NODE, f"{example}.mjs", *asked.get(example, []), running_stack.service_address]
    done = subprocess.run(command, cwd=examples, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_each_version_is_exact_and_the_lock_has_it():
    described = json.loads((SOURCE / "package.json").read_text())
    locked = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    for name, version in (described["dependencies"] | described["devDependencies"]).items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert locked[""]["version"] == described["version"]


def test_every_licence_is_permissive():
    locked = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    licences = {entry["license"] for entry in locked.values()}
    assert licences <= {"Apache-2.0", "MIT", "(Apache-2.0 AND BSD-3-Clause)", "BSD-3-Clause"}
