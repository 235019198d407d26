"""Nothing that a part prints, and nobody who reads it, ends the launcher or holds it up."""

import os
import signal
import socket

import pytest

from tests.support.fake_parts import READY, SERVING
from tests.support.launcher import launched
from tests.support.processes import handles_of_descendants, needs_pidfd, read_until, wait_for_the_end_of

WORDS = {
    "a line of a megabyte": "sys.stdout.write('x' * 10**6 + '\\n')",
    "a megabyte without a line break": "sys.stdout.write('x' * 10**6)",
    "many lines": "sys.stdout.write('x\\n' * 10**5)",
    "bytes that are no UTF-8": "sys.stdout.buffer.write(bytes(range(256)) * 300)",
    "characters that the launcher's output lacks": "sys.stdout.buffer.write('✓ 鳥 🦀\\n'.encode())",
    "a long line on standard error": "sys.stderr.write('x' * 10**6)",
}
# What it leaves behind has its output until the test hangs up.
KEEPING = """
import subprocess, sys
keep = "import socket; socket.create_connection({address}).recv(1)"
subprocess.Popen([sys.executable, '-c', keep], start_new_session=True)
print('kept')
raise SystemExit(3)
"""


@pytest.fixture
def listener():
    """A socket that a part connects to once it has come so far."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def talking_until(listener):
    """A service that prints more than any pipe holds, then connects."""
    address = listener.getsockname()
    return f"import socket\nprint(('x' * 999 + '\\n') * 4000)\nsocket.create_connection({address})\n{SERVING}"


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_nothing_that_a_part_prints_ends_the_launcher(ports, words, encoding):
    service = f"import sys; {words}; sys.stdout.flush()\n{SERVING}"
    with launched(service, READY, ports, PYTHONIOENCODING=encoding) as launcher:
        read_until("Ctrl-C ends it", launcher.stdout)
        launcher.terminate()
        output, errors = launcher.communicate()
    assert (launcher.returncode, errors) == (0, "")
    assert output.endswith("Stopped.\n")


@needs_pidfd
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_output_that_nobody_reads_holds_no_signal_up(ports, listener, number):
    with launched(talking_until(listener), READY, ports) as launcher:
        listener.accept()[0].close()
        handles = [os.pidfd_open(launcher.pid), *handles_of_descendants(launcher.pid)]
        launcher.send_signal(number)
        wait_for_the_end_of(handles)
        assert launcher.wait() == 0


def test_an_output_that_was_closed_ends_nothing(ports, listener):
    with launched(talking_until(listener), READY, ports) as launcher:
        launcher.stdout.close()
        listener.accept()[0].close()
        launcher.terminate()
        assert launcher.stderr.read() == ""
        assert launcher.wait() == 0


def test_the_last_words_of_a_part_are_one_short_line(ports):
    with launched("import sys; sys.exit('m' * 10**6)", READY, ports) as launcher:
        _, errors = launcher.communicate()
    assert errors.startswith("runstream: the service ended (exit status 1): mmm")
    assert errors.count("\n") == 1
    assert len(errors) < 600


def test_a_pipe_that_somebody_else_keeps_holds_nothing_up(ports, listener):
    keeping = KEEPING.format(address=listener.getsockname())
    with launched(keeping, READY, ports) as launcher, listener.accept()[0]:
        _, errors = launcher.communicate()
    assert errors == "runstream: the service ended (exit status 3): kept\n"
