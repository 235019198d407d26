"""Whether a machine is quiet."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from bench.machine import Watch, describe, instruction_sets, parse_busy_ticks, warning


def test_a_quiet_machine_gets_no_warning():
    assert warning(load_average=0.2, cores_of_others=0.05) == ""


@pytest.mark.parametrize(("load_average", "cores_of_others"), [(1.5, 0.0), (0.0, 0.5)])
def test_a_busy_machine_gets_a_warning(load_average: float, cores_of_others: float):
    assert "not quiet" in warning(load_average, cores_of_others)


def test_busy_ticks_are_all_but_idle_ones_and_count_guests_once():
    assert parse_busy_ticks("cpu  1 2 4 1000 5000 8 16 32 1 2\ncpu0 7 7 7 7 7 7 7 7 7 7\n") == 63


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the system does not tell")
def test_what_another_process_computes_is_seen():
    watch = Watch()
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert watch.cores_of_others() > 0


def test_the_machine_is_told_in_one_line():
    line = describe("cpu").line()
    assert "torch" in line
    assert "load average" in line
    assert f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores" in line


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="an x86 processor's flags")
def test_the_instruction_sets_of_the_processor_are_named():
    flags = Path("/proc/cpuinfo").read_text().split()
    assert ("avx2" in instruction_sets()) == ("avx2" in flags)
