"""The Worker example and what gives it an env.AI, as its README has them."""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from scripts.real_clients import NODE, NODE_FOLDER
from tests.support.processes import read_until
from tests.support.wrangler import wrangler_dev

EXAMPLE = Path(__file__).parents[2] / "clients" / "worker"


@pytest.fixture
def example(node, tmp_path):
    """A copy of the example, with what `npm install` would put beside it."""
    shutil.copytree(EXAMPLE, tmp_path / "worker", ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "worker" / "node_modules").symlink_to(NODE_FOLDER / "node_modules")
    return tmp_path / "worker"


@contextlib.contextmanager
def running(*command, **options):
    """A process that is ended after the test."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options) as process:
        try:
            yield process
        finally:
            process.terminate()


def check_streams_an_answer(url):
    """Asks the Worker, and checks that it streams what the model says."""
    answer = requests.get(url, params={"prompt": "where is new york?"}, timeout=60)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.text.endswith("data: [DONE]\n\n")
    assert '{"response":" York"}' in answer.text


def test_miniflare_serves_it(example, running_stack):
    environment = {**os.environ, "RUNSTREAM_URL": running_stack.url, "PORT": "0"}
    with running(NODE, "local.mjs", cwd=example, env=environment) as process:
        said = read_until("listening on", process.stdout)
        check_streams_an_answer(said.split()[-1])


def test_workerd_serves_it_from_its_configuration(example, running_stack):
    (workerd,) = (NODE_FOLDER / "node_modules" / "@cloudflare").glob("workerd-*/bin/workerd")
    flags = ["--socket-addr=http=127.0.0.1:0", f"--external-addr=bridge={urlsplit(running_stack.url).netloc}"]
    with running(workerd, "serve", "--control-fd=1", *flags, "config.capnp", cwd=example) as process:
        port = json.loads(process.stdout.readline())["port"]
        check_streams_an_answer(f"http://127.0.0.1:{port}")


def test_wrangler_serves_it_from_its_configuration(example, running_stack):
    with wrangler_dev(example, running_stack.url, "", "-e", "local") as address:
        check_streams_an_answer(address)
