"""The package `runstream-worker` as it is published: packed, installed into an empty folder, and used there."""

import json
import subprocess
import tarfile

import pytest

from scripts.real_clients import NODE, TYPESCRIPT_FOLDER, has_typescript
from tests.support.client_builds import CLIENTS
from tests.support.missing_tools import skip_or_fail
from tests.support.npm_packages import install
from tests.support.repository import ROOT

SOURCE = CLIENTS / "worker"
FILES = {"LICENSE", "README.md", "index.d.ts", "index.js", "package.json", "workerd.capnp"}
BINDING = 'runstreamAi({ name: "LLM", url: "http://[::1]:1", token: "t" })'
CHECK = "--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --target es2022"
USE = """
import { Miniflare } from "miniflare";
import { runstreamAi } from "runstream-worker";
new Miniflare({ modules: true, script: "", unsafeBindings: [runstreamAi({ url: "http://gpu:8080", token: "t" })] });
// @ts-expect-error: there is no such option
runstreamAi({ adress: "http://gpu:8080" });
"""
EXAMPLES = {"examples/config.capnp", "examples/local.mjs", "examples/worker.js", "examples/wrangler.jsonc"}


def run(folder, script, **environment):
    """Runs JavaScript in a folder; gives what it said."""
    command = [str(NODE), "--input-type=module", "--eval", f'import {{ runstreamAi }} from "runstream-worker";{script}']
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


def test_the_tarball_has_these_files(tarball):
    with tarfile.open(tarball) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
        license_file = archive.extractfile("package/LICENSE")
        assert license_file is not None
        assert license_file.read() == (ROOT / "LICENSE").read_bytes()
    assert names == FILES | EXAMPLES


def test_it_brings_nothing_else(tarball, tmp_path):
    install(tmp_path, "--offline", tarball)
    found = json.loads((tmp_path / "node_modules/.package-lock.json").read_text())["packages"]
    assert list(found) == ["node_modules/runstream-worker"]
    assert not (tmp_path / "node_modules/runstream-worker").is_symlink()


def test_its_options_are_what_the_types_say(installed):
    said = run(installed, f"console.log(JSON.stringify({BINDING}))")
    assert said.stderr == ""
    binding = json.loads(said.stdout)
    package = str(installed / "node_modules/runstream-worker/index.js")
    assert binding == {
        "name": "LLM",
        "type": "runstream",
        "plugin": {"package": package, "name": "runstream"},
        "options": {"url": "http://[::1]:1", "token": "t"},
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://gpu:8080",
        "localhost:8080",
        "127.0.0.1:8080",
        "http://gpu:8080/client/v4",
        "http://me@gpu",
        "",
        "http://",
    ],
)
def test_an_address_that_is_none_is_told(installed, url):
    said = run(installed, f"runstreamAi({{ url: {json.dumps(url)} }})")
    assert said.returncode == 1
    assert "TypeError: runstream-worker: write url or RUNSTREAM_URL like http://127.0.0.1:8080" in said.stderr


def test_an_address_in_the_environment_is_checked_too(installed):
    said = run(installed, "runstreamAi()", RUNSTREAM_URL="https://gpu")
    assert "not as https://gpu" in said.stderr


def test_an_unknown_option_is_told(installed):
    said = run(installed, 'runstreamAi({ adress: "http://gpu" })')
    assert "TypeError: runstream-worker: there is no option adress, but name, url and token" in said.stderr


def test_its_types_are_miniflares(installed):
    if not has_typescript():
        skip_or_fail("clients/typescript/node_modules is not as package-lock.json has it: run `make setup-dev`")
    (installed / "use.ts").write_text(USE)
    tsc = TYPESCRIPT_FOLDER / "node_modules/typescript/bin/tsc"
    done = subprocess.run([NODE, tsc, *CHECK.split(), "use.ts"], cwd=installed, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
