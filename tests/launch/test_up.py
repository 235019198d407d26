"""The launcher starts two parts, tells when they answer, and ends both together."""

import signal
import socket

import click
import pytest

from scripts.up import check_port
from tests.launch.fake_parts import FAILING, READY, SERVING
from tests.launch.launcher import launched
from tests.launch.processes import handles_of_descendants, needs_pidfd, read_until, wait_for_the_end_of

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_both_parts_and_the_launcher_succeeds(ports, number):
    with launched(SERVING, READY, ports) as launcher:
        read_until("Ctrl-C ends it", launcher.stdout)
        launcher.send_signal(number)
        output, errors = launcher.communicate()
    assert (launcher.returncode, errors) == (0, "")
    assert output.endswith("Stopped.\n")
    for port in ports:
        check_port("127.0.0.1", port, "--port")


def test_the_greeting_has_three_requests_to_paste(ports):
    with launched(SERVING, READY, ports) as launcher:
        greeting = read_until("Ctrl-C ends it", launcher.stdout)
        launcher.terminate()
        launcher.communicate()
    assert greeting.count(f"curl http://127.0.0.1:{ports[0]}/client/v4/accounts/") == 2
    assert greeting.count(f"curl -N http://127.0.0.1:{ports[0]}/client/v4/accounts/") == 1


@pytest.mark.parametrize(("service", "bridge", "name"), [(FAILING, READY, "service"), (SERVING, FAILING, "bridge")])
def test_a_part_that_ends_takes_the_other_along_and_its_last_words_are_told(ports, service, bridge, name):
    with launched(service, bridge, ports) as launcher:
        output, errors = launcher.communicate()
    assert launcher.returncode == 1
    assert errors == f"runstream: the {name} ended (exit status 3): last words\n"
    assert f"{name:7} | first words\n" in output


@needs_pidfd
def test_nothing_is_left_after_the_launcher_is_killed(ports):
    with launched(SERVING, READY, ports) as launcher:
        read_until("Ctrl-C ends it", launcher.stdout)
        handles = handles_of_descendants(launcher.pid)
        launcher.kill()
        wait_for_the_end_of(handles)
    assert len(handles) == 4


@needs_pidfd
def test_a_second_signal_ends_a_part_that_does_not_listen_without_grace(ports):
    with launched(DEAF + SERVING, READY, ports) as launcher:
        read_until("Ctrl-C ends it", launcher.stdout)
        handles = handles_of_descendants(launcher.pid)
        launcher.terminate()
        read_until("bridge  | ended", launcher.stdout)
        launcher.terminate()
        launcher.communicate()
        wait_for_the_end_of(handles)
    assert launcher.returncode == 0


def test_a_port_in_use_is_told_with_the_flag_that_chooses_another():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(click.ClickException) as raised:
            check_port("127.0.0.1", port, "--service-port")
    assert raised.value.message == (
        f"port {port} on 127.0.0.1: Address already in use; "
        f"choose another with --service-port, as in make run ARGS='--service-port {port + 1}'"
    )
