"""Running the scripts of tests/node, which drive JavaScript clients."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from scripts.real_clients import NODE, NODE_FOLDER, has_node_clients
from tests.support.missing_tools import skip_or_fail

RunNode = Callable[..., Any]


def run_node(script: str, *arguments: str, timeout_s: float = 100) -> Any:
    """Runs a script of tests/node with the pinned Node.js; returns the JSON that it prints.

    What it prints besides, on standard error, stands in the failure if it fails.
    """
    command = [str(NODE), "--no-warnings", script, *arguments]
    done = subprocess.run(command, cwd=NODE_FOLDER, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, f"{script} failed: {done.stderr}{done.stdout}"
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def node() -> RunNode:
    """`run_node`, in tests that need the JavaScript clients."""
    if not has_node_clients():
        skip_or_fail("tests/node/node_modules is not as package-lock.json has it: run `make setup-dev`")
    return run_node
