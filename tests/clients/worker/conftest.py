"""The package for Workers as users have it: packed, installed into an empty folder, and a site that uses it there."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts.real_clients import NODE, NODE_FOLDER
from tests.support import seeds
from tests.support.client_builds import CLIENTS
from tests.support.npm_packages import install, pack
from tests.support.recording_relay import RecordingRelay, recording_relay
from tests.support.running_stack import RunningStack
from tests.support.worker_runtimes import miniflare, workerd
from tests.support.wrangler import BINDING, wrangler_dev

SITE = Path(__file__).parent / "site"
# @cloudflare/ai needs the last two, without saying so.
BESIDE = ("miniflare", "wrangler", "@cloudflare/ai", "base64-js", "mustache")
NONE = "@cf/none"
SCRIPTS = {
    "blog.js": seeds.WORKER_OF_THE_BLOG,
    "env_ai_streamed.ts": seeds.without_a_package(seeds.WORKER_STREAMED),
    "env_ai_whole.ts": seeds.without_a_package(seeds.WORKER_WHOLE),
    "streamed.ts": seeds.WORKER_STREAMED,
    "streamed_of_none.ts": seeds.WORKER_STREAMED.replace(seeds.MODEL, NONE),
    "whole.ts": seeds.WORKER_WHOLE,
    "whole_of_none.ts": seeds.WORKER_WHOLE.replace(seeds.MODEL, NONE),
}
PAGE = """<!doctype html>
<meta charset="utf-8">
<p id="el"></p>
<script>
const el = document.getElementById("el");
const shown = [];
new MutationObserver(() => shown.push(el.textContent)).observe(el, { childList: true });
</script>
<script>
%s
</script>
"""
PAGES = {"/page": PAGE % seeds.EVENT_SOURCE, "/page-of-the-blog": PAGE % seeds.EVENT_SOURCE_OF_THE_BLOG}

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, packed."""
    return pack(CLIENTS / "worker", tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="session")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the package and what Workers are run with, at the versions that all tests have."""
    folder = tmp_path_factory.mktemp("workers")
    versions = json.loads((NODE_FOLDER / "package.json").read_text())["dependencies"]
    install(folder, tarball, *(f"{name}@{versions[name]}" for name in BESIDE))
    return folder


@pytest.fixture(scope="session")
def site(installed: Path) -> Path:
    """A Worker with the documentation's scripts, bundled, beside the packages."""
    folder = installed / "site"
    shutil.copytree(SITE, folder)
    (folder / "scripts").mkdir()
    for name, script in SCRIPTS.items():
        (folder / "scripts" / name).write_text(script)
    (folder / "pages.json").write_text(json.dumps(PAGES))
    config = {"name": "site", "main": "main.js", "compatibility_date": "2026-01-01", "unsafe": {"bindings": [BINDING]}}
    (folder / "wrangler.jsonc").write_text(json.dumps(config))
    esbuild = [str(NODE), str(installed / "node_modules/esbuild/bin/esbuild")]
    bundled = [*esbuild, "main.js", "--bundle", "--format=esm", "--outfile=bundle.js", "--log-level=warning"]
    done = subprocess.run(bundled, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def _bridge(url: str, token: str) -> str:
    """The service of workerd's configuration that a bridge is."""
    if not token:
        return "Runstream.bridge"
    header = f'(name = "Authorization", value = "Bearer {token}")'
    address = f'address = "{urlsplit(url).netloc}", http = (injectRequestHeaders = [{header}])'
    return f'(name = "runstream", external = ({address}))'


@pytest.fixture(scope="session", params=["miniflare", "workerd", "wrangler"])
def serve(request: pytest.FixtureRequest, site: Path) -> Serve:
    """Runs the site before a bridge, with a token or without; gives where it answers."""

    @contextmanager
    def serving(url: str, token: str = "") -> Iterator[str]:
        packages = site.parent / "node_modules"
        if request.param == "miniflare":
            running = miniflare(site, "miniflare.mjs", url, token)
        elif request.param == "wrangler":
            running = wrangler_dev(site, url, token, packages=packages)
        else:
            config = (SITE / "config.capnp").read_text().replace("BRIDGE]", f"{_bridge(url, token)}]")
            (site / "config.capnp").write_text(config)
            flags = [] if token else [f"--external-addr=runstream={urlsplit(url).netloc}"]
            running = workerd(site, packages, *flags)
        with running as address:
            yield address

    return serving


@dataclass(frozen=True)
class RelayedSite:
    """A site that asks its bridge through a relay.

    Attributes:
        url: Where it answers.
        relay: What keeps the bridge's answers.
    """

    url: str
    relay: RecordingRelay


@pytest.fixture(scope="session")
def relayed_site(serve: Serve, running_stack: RunningStack) -> Iterator[RelayedSite]:
    """The site before the demo model, with what the bridge answers kept."""
    with recording_relay(running_stack.url) as relay, serve(relay.url) as url:
        yield RelayedSite(url, relay)
