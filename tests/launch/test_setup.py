"""What `scripts/setup.sh` says when it can't find a Python that it can use."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path):
    """A copy of what setting up needs, without an environment."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def python_that_says(answer, folder):
    """Makes a stand-in for a Python of another machine: it answers the probe with this line."""
    path = folder / "python-of-another-machine"
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return str(path)


def set_up(checkout, python):
    """Runs the set-up; returns its exit status and what it says on standard error."""
    environment = {**os.environ, "PYTHON": python, "PYENV_ROOT": "/nowhere"}
    done = subprocess.run(
        [checkout / "scripts" / "setup.sh", "bridge"], env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("old 3.9", "Python 3.9 is too old: install Python 3.11 to 3.14"),
        ("new 3.15", "Python 3.15 is newer than the pinned packages know"),
        ("bare 3.11", "sudo apt install python3.11-venv"),
    ],
)
def test_a_python_that_will_not_do_is_named_with_what_to_do(checkout, answer, words):
    status, errors = set_up(checkout, python_that_says(answer, checkout))
    assert status == 1
    assert words in errors
    assert errors.count("\n") == 1


def test_no_python_at_all_is_one_line(checkout):
    status, errors = set_up(checkout, "/nowhere/python3")
    assert status == 1
    assert (
        errors == "runstream: no Python found: install Python 3.11 to 3.14, or name one with PYTHON=/path/to/python3\n"
    )


def test_an_environment_that_another_checkout_made_is_not_taken_for_current(checkout):
    shutil.copytree(ROOT / ".venv" / "bin", checkout / ".venv" / "bin", symlinks=True)
    shutil.copy(ROOT / ".venv" / "installed.json", checkout / ".venv")
    check = [sys.executable, "-m", "scripts.install", "--check", "bridge"]
    assert subprocess.run(check, cwd=checkout).returncode == 1
