"""The first question of docs/questions.md, done as the page says: with the demo model, and on a CPU."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import requests

import service.demo
from tests.support.document_blocks import blocks_of
from tests.support.missing_tools import skip_or_fail
from tests.support.ports import unused_ports
from tests.support.repository import ROOT
from tests.support.started_commands import started

HERE = {
    "--devices 0,1": "--devices cpu --trials never --metrics-port 0 --port {service}",
    "--port 8443": "--port {bridge} --service 127.0.0.1:{service}",
    ":8443": ":{bridge}",
    ".venv/bin/python": sys.executable,
}
SIZES = {"8192": "1024", "6144": "512", "2048": "512"}


@pytest.fixture
def folder(tmp_path):
    """A folder with the model that somebody has fine-tuned."""
    for tool in ("curl", "openssl"):
        if shutil.which(tool) is None:
            skip_or_fail(f"{tool} is not installed: the commands of docs/questions.md are NOT tested")
    shutil.copytree(service.demo.CHECKPOINT, tmp_path / "my-mistral")
    return tmp_path


@pytest.fixture
def blocks():
    """The page's blocks, for this machine."""
    ports = dict(zip(("service", "bridge"), unused_ports(2), strict=True))
    texts = [block.text for block in blocks_of("docs/questions.md")]
    for there, here in HERE.items():
        texts = [text.replace(there, here.format(**ports)) for text in texts]
    return texts


def server(command, folder):
    """A server until the end of the block, ready when it says so."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return started(["bash", "-c", f"exec {command}"], "listening on", folder, environment)


def run(commands, folder):
    """Runs commands; what they print."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shell = ["bash", "-eu", "-c", commands]
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_fine_tuned_model_is_served_behind_tls(folder, blocks):
    catalog, serve, certificate_and_token, bridge, ask = blocks
    (folder / "my-models.toml").write_text(re.sub("|".join(SIZES), lambda size: SIZES[size[0]], catalog))
    run(certificate_and_token, folder)
    with server(serve, folder), server(bridge, folder):
        assert '"success":true' in run(ask, folder)
        port = re.search(r"localhost:(\d+)", ask)
        assert port is not None
        url = f"https://localhost:{port[1]}/client/v4/accounts/my-account/ai/run/@me/mistral"
        wrong = {"Authorization": "Bearer another"}
        refused = requests.post(
            url, json={"prompt": "Hello"}, headers=wrong, verify=str(folder / "cert.pem"), timeout=60
        )
        assert refused.status_code == 401
