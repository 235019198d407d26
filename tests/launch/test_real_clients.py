"""Installing the clients that only tests drive."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.client_stubs import REQUIRED
from scripts.real_clients import NODE, NPM

ROOT = Path(__file__).parents[2]


def test_without_a_registry_what_will_be_skipped_is_said_and_the_rest_goes_on(tmp_path):
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("tests/node", "clients/typescript"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / folder / name, tmp_path / folder)
    nowhere = {
        "npm_config_registry": "http://127.0.0.1:1",
        "npm_config_cache": str(tmp_path),
        "npm_config_fetch_retries": "0",
        REQUIRED: "",
    }
    command = [sys.executable, "-m", "scripts.real_clients"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": "", **nowhere}, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stderr.count("tests with some clients will be SKIPPED: npm failed: npm error") == 2


def test_node_and_its_npm_are_the_pinned_ones():
    assert subprocess.run([NODE, NPM, "--version"], capture_output=True).returncode == 0
