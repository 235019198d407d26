"""A command on a leash ends when the leash is let go, however that happens."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LEASH = Path(__file__).parents[2] / "scripts" / "leash.py"
OBEDIENT = "echo ready; exec sleep 1000"
TELLING = "trap 'echo told' TERM; echo ready; while :; do sleep 1000 & wait; done"
STUBBORN_ALONE = "trap '' TERM; echo ready; exec sleep 1000"
STUBBORN = "trap '' TERM; (trap '' TERM; sleep 1000) & echo ready; while :; do wait; done"
# Starts a leash, then waits for its own end; its death closes the leash's standard input.
HOLDER = """
import subprocess, sys
held = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
held.wait()
"""


def leashed(grace_s: float, *command: str, stderr: int | None = None) -> subprocess.Popen[bytes]:
    """Starts the command on a leash and waits for its first line of output.

    All that it starts holds its standard output: the end of that output is the end of the last of them.
    """
    arguments = [sys.executable, str(LEASH), str(grace_s), *command]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def read_to_the_end(process: subprocess.Popen[bytes]) -> bytes:
    """Reads what is still said, with the leash held all the while."""
    with process:
        assert process.stdout is not None
        return process.stdout.read()


def test_closing_the_pipe_ends_the_command_kindly():
    process = leashed(60, "sh", "-c", OBEDIENT)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


def test_after_the_grace_the_command_and_all_it_started_are_killed():
    process = leashed(0.1, "sh", "-c", STUBBORN)
    assert process.communicate()[0] == b""
    assert process.returncode == 128 + signal.SIGKILL


def test_a_signal_to_the_leash_skips_the_grace():
    process = leashed(60, "sh", "-c", STUBBORN)
    process.terminate()
    assert read_to_the_end(process) == b""
    assert process.returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupt_of_the_leash_ends_the_command_kindly_and_says_nothing(number):
    process = leashed(60, "sh", "-c", OBEDIENT, stderr=subprocess.PIPE)
    process.send_signal(number)
    assert process.communicate() == (b"", b"")
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_second_interrupt_skips_the_grace(number):
    process = leashed(60, "sh", "-c", TELLING)
    process.send_signal(number)
    assert process.stdout is not None
    assert process.stdout.readline() == b"told\n"
    process.send_signal(number)
    assert read_to_the_end(process) == b""
    assert process.returncode == 128 + signal.SIGKILL


def test_after_an_interrupt_too_the_command_is_killed_once_the_grace_is_over():
    process = leashed(0.1, "sh", "-c", STUBBORN)
    process.send_signal(signal.SIGINT)
    assert read_to_the_end(process) == b""
    assert process.returncode == 128 + signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_killing_the_leash_kills_the_command():
    process = leashed(60, "sh", "-c", STUBBORN_ALONE)
    process.kill()
    assert read_to_the_end(process) == b""


def test_the_death_of_whoever_holds_the_leash_ends_the_command():
    command = [sys.executable, "-c", HOLDER, sys.executable, str(LEASH), "0.1", "sh", "-c", STUBBORN]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"ready\n"
    os.kill(holder.pid, signal.SIGKILL)
    assert holder.communicate()[0] == b""


def test_a_command_that_ends_by_itself_takes_along_what_it_started():
    process = leashed(60, "sh", "-c", "echo ready; sleep 1000 & exit 7")
    assert read_to_the_end(process) == b""
    assert process.returncode == 7
