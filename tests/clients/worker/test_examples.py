"""The examples of the package for Workers, run as its README has them, from where npm has installed it."""

import shutil
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.whole_chain import read_events
from tests.support.worker_runtimes import miniflare, workerd
from tests.support.wrangler import wrangler_dev


@pytest.fixture(scope="module")
def examples(installed):
    """The folder with the packages, and the package's examples beside them."""
    shutil.copytree(installed / "node_modules/runstream-worker/examples", installed, dirs_exist_ok=True)
    return installed


def check_streams_an_answer(url):
    """Asks the Worker, and checks that it streams what the model says."""
    answer = requests.get(url, params={"prompt": "where is new york?"}, timeout=60)
    assert answer.headers["content-type"] == "text/event-stream"
    assert "".join(read_events(answer.content).texts).startswith("New York")


def test_miniflare_serves_it(examples, running_stack):
    with miniflare(examples, "local.mjs", running_stack.url) as address:
        check_streams_an_answer(address)


def test_workerd_serves_it_from_its_configuration(examples, running_stack):
    bridge = f"--external-addr=runstream={urlsplit(running_stack.url).netloc}"
    with workerd(examples, examples / "node_modules", bridge) as address:
        check_streams_an_answer(address)


def test_wrangler_serves_it_from_its_configuration(examples, running_stack):
    packages = examples / "node_modules"
    with wrangler_dev(examples, running_stack.url, "", "-e", "local", packages=packages) as address:
        check_streams_an_answer(address)
