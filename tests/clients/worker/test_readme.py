"""The blocks of the package's README run as they stand, in a folder with a Worker and what npm has installed."""

import json
import re
import shutil
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.client_builds import CLIENTS
from tests.support.whole_chain import read_events
from tests.support.worker_runtimes import miniflare, workerd
from tests.support.wrangler import wrangler_dev

README = (CLIENTS / "worker/README.md").read_text()
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def folder(installed):
    """A folder with a Worker."""
    folder = installed / "readme"
    folder.mkdir()
    (folder / "node_modules").symlink_to(installed / "node_modules")
    shutil.copy(installed / "node_modules/runstream-worker/examples/worker.js", folder)
    return folder


def check_answers(url):
    """Asks the Worker for what the model says."""
    assert "".join(read_events(requests.get(url, timeout=60).content).texts).startswith("New York")


def test_there_is_a_block_for_each_runtime():
    assert sorted(BLOCKS) == ["capnp", "js", "jsonc"]


def test_wrangler(folder, running_stack):
    config = {"name": "readme", "main": "worker.js", "compatibility_date": "2026-01-01", **json.loads(BLOCKS["jsonc"])}
    (folder / "wrangler.jsonc").write_text(json.dumps(config))
    with wrangler_dev(folder, running_stack.url, "", "-e", "local", packages=folder / "node_modules") as address:
        check_answers(address)


def test_miniflare(folder, running_stack):
    said = "\nconsole.log(`listening on ${(await miniflare.ready).origin}`);\n"
    (folder / "local.mjs").write_text(BLOCKS["js"] + said)
    with miniflare(folder, "local.mjs", running_stack.url) as address:
        check_answers(address)


def test_workerd(folder, running_stack):
    (folder / "config.capnp").write_text(BLOCKS["capnp"])
    bridge = f"--external-addr=runstream={urlsplit(running_stack.url).netloc}"
    with workerd(folder, folder / "node_modules", bridge) as address:
        check_answers(address)
