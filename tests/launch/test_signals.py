"""Whichever process of the launcher's tree is signalled, all end, with one line and no traceback."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.support.fake_parts import READY, SERVING
from tests.support.launcher import ROOT, launched, made
from tests.support.processes import handles_of_descendants, needs_pidfd, read_until, wait_for_the_end_of

PARTS = ("a leash", "the other leash", "a part", "the other part")


@needs_pidfd
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("index", range(4), ids=PARTS)
def test_whichever_process_below_the_launcher_is_signalled_all_end(ports, number, index):
    with launched(SERVING, READY, ports) as launcher:
        read_until("Ctrl-C ends it", launcher.stdout)
        processes = psutil.Process(launcher.pid).children(recursive=True)
        handles = handles_of_descendants(launcher.pid)
        processes[index].send_signal(number)
        _, errors = launcher.communicate()
        wait_for_the_end_of(handles)
    assert (launcher.returncode, len(handles)) == (1, 4)
    assert errors.startswith("runstream: the ")
    assert errors.count("\n") == 1


@needs_pidfd
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL])
def test_whatever_ends_make_ends_all(ports, number, tmp_path):
    with made(SERVING, READY, ports, tmp_path) as make:
        read_until("Ctrl-C ends it", make.stdout)
        handles = [os.pidfd_open(make.pid), *handles_of_descendants(make.pid)]
        make.send_signal(number)
        wait_for_the_end_of(handles)
        output, errors = make.communicate()
    assert len(handles) == 6
    assert output.endswith("Stopped.\n")
    assert "Traceback" not in output + errors


def test_what_nohup_starts_outlives_a_hangup(ports, tmp_path):
    with made(SERVING, READY, ports, tmp_path, "nohup") as make:
        read_until("Ctrl-C ends it", make.stdout)
        (launcher,) = psutil.Process(make.pid).children()
        for process in (make, launcher):
            process.send_signal(signal.SIGHUP)
        launcher.children(recursive=True)[PARTS.index("a part")].kill()
        output, errors = make.communicate()
    assert "runstream: the " in errors, "a hangup ended it before its part did"
    assert not output.endswith("Stopped.\n")


def test_make_run_asks_the_launcher_to_end_with_it():
    told = subprocess.run(["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "-m scripts.up --end-with-parent" in told


@pytest.mark.parametrize("part", [("scripts.up", "--help"), ("bridge", "--port", "0"), ("service", "--help")])
def test_an_interrupt_in_the_middle_of_the_imports_is_no_traceback(part):
    command = [sys.executable, "-X", "importtime", "-m", *part]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        read_until("| click\n", process.stderr)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert "Traceback" not in errors
    assert process.returncode != 0
