"""A process that starts itself again with the heap's settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from transport.heap import without_settings

pytestmark = pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="another C library")

TELLING = """
import os, sys
from transport.heap import settle_heap
print("begun", flush=True)
settle_heap()
print(os.getpid(), os.environ["GLIBC_TUNABLES"], *sys.argv[1:])
"""


def told(tmp_path, **environment):
    """The id that a process was given, and the lines that it says."""
    script = tmp_path / "telling.py"
    script.write_text(TELLING)
    inherited = {key: value for key, value in os.environ.items() if key != "GLIBC_TUNABLES"}
    command = [sys.executable, "-X", "utf8", str(script), "--port", "a b"]
    everything = inherited | {"PYTHONPATH": str(Path(__file__).parents[2])} | environment
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=everything) as process:
        assert process.stdout is not None
        return process.pid, process.stdout.read().splitlines()


def test_it_begins_again_once_as_it_was_started(tmp_path):
    pid, lines = told(tmp_path)
    assert lines == ["begun", "begun", f"{pid} glibc.malloc.tcache_count=0 --port a b"]


def test_settings_of_the_user_stay(tmp_path):
    pid, lines = told(tmp_path, GLIBC_TUNABLES="glibc.malloc.perturb=1")
    assert lines == ["begun", f"{pid} glibc.malloc.perturb=1 --port a b"]


@pytest.mark.parametrize(("value", "is_kept"), [("glibc.malloc.tcache_count=0", False), ("glibc.rtld.nns=9", True)])
def test_others_get_the_environment_without_it(value, is_kept):
    environment = {"GLIBC_TUNABLES": value, "HOME": "/"}
    assert without_settings(environment) == (environment if is_kept else {"HOME": "/"})
