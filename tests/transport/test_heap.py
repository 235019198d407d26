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
print(os.getpid(), os.environ["GLIBC_TUNABLES"], os.environ.get("MALLOC_ARENA_MAX"), *sys.argv[1:])
"""

# An allocation that is larger than what Python keeps for small objects, and smaller than what is mapped by itself.
TELLING_OF_HEAPS = """
import ctypes, threading
from transport.heap import settle_heap
settle_heap()
all_hold = threading.Barrier(31)
def hold():
    held = bytearray(5000)
    all_hold.wait()
    all_hold.wait()
threads = [threading.Thread(target=hold) for _ in range(30)]
for each in threads:
    each.start()
all_hold.wait()
ctypes.CDLL(None).malloc_stats()
all_hold.wait()
"""


def unsettled():
    """This environment without settings of the heap."""
    own = {key: value for key, value in os.environ.items() if key not in {"GLIBC_TUNABLES", "MALLOC_ARENA_MAX"}}
    return own | {"PYTHONPATH": str(Path(__file__).parents[2])}


def told(tmp_path, **environment):
    """The id that a process was given, and the lines that it says."""
    script = tmp_path / "telling.py"
    script.write_text(TELLING)
    command = [sys.executable, "-X", "utf8", str(script), "--port", "a b"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=unsettled() | environment) as process:
        assert process.stdout is not None
        return process.pid, process.stdout.read().splitlines()


def test_it_begins_again_once_as_it_was_started(tmp_path):
    pid, lines = told(tmp_path)
    assert lines == ["begun", "begun", f"{pid} glibc.malloc.tcache_count=0 1 --port a b"]


def test_settings_of_the_user_stay(tmp_path):
    pid, lines = told(tmp_path, GLIBC_TUNABLES="glibc.malloc.perturb=1")
    assert lines == ["begun", f"{pid} glibc.malloc.perturb=1 None --port a b"]
    pid, lines = told(tmp_path, MALLOC_ARENA_MAX="2")
    assert lines == ["begun", "begun", f"{pid} glibc.malloc.tcache_count=0 2 --port a b"]


def test_the_heaps_are_as_many_as_that(tmp_path):
    """As glibc itself tells it, for a process in which 30 threads hold memory."""
    script = tmp_path / "telling.py"
    script.write_text(TELLING_OF_HEAPS)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, check=True, env=unsettled())
    assert done.stderr.count(b"Arena ") == 1


@pytest.mark.parametrize(
    ("name", "value", "is_kept"),
    [
        ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", False),
        ("GLIBC_TUNABLES", "glibc.rtld.nns=9", True),
        ("MALLOC_ARENA_MAX", "1", False),
        ("MALLOC_ARENA_MAX", "4", True),
    ],
)
def test_others_get_the_environment_without_it(name, value, is_kept):
    environment = {name: value, "HOME": "/"}
    assert without_settings(environment) == (environment if is_kept else {"HOME": "/"})
