"""The launcher starts two parts, tells when they answer, and ends both together."""

import os
import signal
import socket

import click
import psutil
import pytest
from click.testing import CliRunner

from bridge.__main__ import main as bridge_main
from scripts.up import Settings, check_port, main, share_token
from service.__main__ import main as service_main
from tests.support.fake_parts import FAILING, READY, SERVING
from tests.support.launcher import launched
from tests.support.processes import handles_of_descendants, needs_pidfd, read_until, wait_for_the_end_of

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


def test_that_the_service_does_not_listen_at_once_is_no_trouble(ports):
    with launched(SERVING, READY, ports) as launcher:
        output = read_until("Ctrl-C ends it", launcher.stdout)
        launcher.terminate()
        launcher.communicate()
    assert "can't be asked" not in output


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


@pytest.mark.parametrize("flag", ["--port", "--service-port", "--metrics-port"])
@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_a_port_that_is_none_is_told_in_a_line(flag, port):
    result = CliRunner().invoke(main, [flag, port])
    assert result.exit_code == 2
    assert f"Invalid value for '{flag}'" in result.output


@pytest.mark.parametrize("flag", ["--port", "--service-port"])
def test_a_port_that_the_launcher_would_not_find_is_refused(flag):
    assert CliRunner().invoke(main, [flag, "0"]).exit_code == 2


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


READY_ON_SOCKET = """
import socketserver
from http.server import BaseHTTPRequestHandler
class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
    def log_message(self, *args):
        pass
socketserver.UnixStreamServer({path!r}, Ready).serve_forever()
"""


def test_a_bridge_on_a_socket_is_waited_for_and_greeted_with(ports, tmp_path):
    path = str(tmp_path / "a b.sock")
    with launched(SERVING, READY_ON_SOCKET.format(path=path), ports, FAKE_HOST=f"unix:{path}") as launcher:
        greeting = read_until("Ctrl-C ends it", launcher.stdout)
        launcher.terminate()
        launcher.communicate()
    assert f"Runstream answers at unix:{path} (gRPC" in greeting
    assert greeting.count(f"--unix-socket '{path}' http://localhost/client/v4/accounts/me/ai/run/") == 3


def settings(*arguments, has_tls=False):
    """The settings that a command line makes."""
    return Settings(bridge_has_tls=has_tls, **main.make_context("up", list(arguments)).params)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::1]", "unix:/run/a.sock"])
def test_whatever_the_environment_says_the_service_listens_where_the_bridge_asks(monkeypatch, host):
    monkeypatch.setenv("RUNSTREAM_SERVICE_HOST", "0.0.0.0")
    monkeypatch.setenv("RUNSTREAM_BRIDGE_SERVICE", "10.0.0.1:1")
    made = settings("--host", host, "--port", "1", "--service-port", "2", "--metrics-port", "3")
    _, _, program, *service_options = made.service_command()
    service_told = service_main.make_context(program, service_options).params
    _, _, program, *bridge_options = made.bridge_command()
    bridge_told = bridge_main.make_context(program, bridge_options).params
    assert (service_told["host"], service_told["port"], service_told["metrics_port"]) == ("127.0.0.1", 2, 3)
    assert (bridge_told["service"], bridge_told["port"]) == ("127.0.0.1:2", 1)
    assert bridge_told["host"] == host.strip("[]")
    assert bridge_told["service_metrics"] == "http://127.0.0.1:3/metrics"


def test_without_a_port_of_the_metrics_the_bridge_is_told_of_none():
    _, _, program, *options = settings("--metrics-port", "0").bridge_command()
    assert bridge_main.make_context(program, options).params["service_metrics"] == ""


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("localhost", "http://localhost:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("[::]", "http://[::1]:1"),
        ("[::1]", "http://[::1]:1"),
        ("unix:/run/a.sock", "http://localhost"),
    ],
)
def test_the_address_that_is_told_can_be_asked(host, url):
    assert settings("--host", host, "--port", "1").bridge_url == url
    with_tls = settings("--host", host, "--port", "1", has_tls=True).bridge_url
    assert with_tls == url.replace("http", "https")


@pytest.mark.parametrize("stand_in", ["@me/one", ""])
def test_models_and_stand_in_reach_the_service(stand_in):
    _, _, program, *options = settings(
        "--models", "@me/one", "--models", "@me/two", "--stand-in", stand_in
    ).service_command()
    told = service_main.make_context(program, options).params
    assert (told["models"], told["stand_in"]) == (("@me/one", "@me/two"), stand_in)


@pytest.mark.parametrize("flag", ["--port", "--service-port", "--metrics-port"])
def test_every_port_is_looked_at_before_anything_starts(unused_tcp_port_factory, flag):
    ports = {name: unused_tcp_port_factory() for name in ("--port", "--service-port", "--metrics-port")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports[flag] = taken.getsockname()[1]
        result = CliRunner().invoke(main, [str(word) for pair in ports.items() for word in pair])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: port {ports[flag]} on 127.0.0.1: Address already in use; choose another")
    assert f"with {flag}" in result.output


def test_blank_lines_are_no_last_words(ports):
    with launched("import sys; print('last words\\n\\n  '); sys.exit(3)", READY, ports) as launcher:
        _, errors = launcher.communicate()
    assert errors == "runstream: the service ended (exit status 3): last words\n"


def test_a_terminals_interrupt_is_the_launchers_alone(ports):
    with launched(SERVING, READY, ports) as launcher:
        read_until("Ctrl-C ends it", launcher.stdout)
        leashes = psutil.Process(launcher.pid).children()
        sessions = {os.getsid(leash.pid) for leash in leashes}
        launcher.terminate()
        launcher.communicate()
    assert sessions == {leash.pid for leash in leashes}


def test_a_service_with_tls_needs_the_authority_that_the_bridge_trusts():
    answer = CliRunner().invoke(main, env={"RUNSTREAM_SERVICE_TLS_CERT": "service.pem"})
    assert answer.output == "Error: RUNSTREAM_SERVICE_TLS_CERT and --service-ca belong together: set both, or neither\n"


def test_a_bridge_that_asks_for_certificates_is_not_for_the_launcher():
    answer = CliRunner().invoke(main, env={"RUNSTREAM_BRIDGE_TLS_CLIENT_CA": "ca.pem"})
    assert answer.exit_code == 1
    assert "start service and bridge by themselves" in answer.output


def test_the_bridge_is_told_how_to_ask_a_service_with_mutual_tls(tmp_path):
    files = {name: tmp_path / name for name in ("ca", "cert", "key")}
    for file in files.values():
        file.touch()
    told = settings(*(word for name, file in files.items() for word in (f"--service-{name}", str(file))))
    _, _, program, *options = told.bridge_command()
    params = bridge_main.make_context(program, options).params
    assert {name: params[f"service_{name}"] for name in files} == files


@pytest.mark.parametrize(
    ("given", "bridge", "service"),
    [
        ({}, None, None),
        ({"RUNSTREAM_SERVICE_TOKEN": "own"}, "own", "own"),
        ({"RUNSTREAM_SERVICE_TOKEN": "own", "RUNSTREAM_SERVICE_TOKEN_FILE": "tokens"}, "own", "own"),
        ({"RUNSTREAM_SERVICE_TOKEN_FILE": "tokens", "RUNSTREAM_BRIDGE_SERVICE_TOKEN": "given"}, "given", None),
        ({"RUNSTREAM_SERVICE_TOKEN_FILE": "tokens", "RUNSTREAM_BRIDGE_SERVICE_TOKEN_FILE": "given"}, None, None),
    ],
)
def test_the_bridge_gets_a_token_that_the_service_knows(given, bridge, service):
    share_token(given)
    assert (given.get("RUNSTREAM_BRIDGE_SERVICE_TOKEN"), given.get("RUNSTREAM_SERVICE_TOKEN")) == (bridge, service)


def test_with_a_token_file_alone_the_bridge_gets_a_random_token():
    given = {"RUNSTREAM_SERVICE_TOKEN_FILE": "tokens"}
    share_token(given)
    assert given["RUNSTREAM_BRIDGE_SERVICE_TOKEN"] == given["RUNSTREAM_SERVICE_TOKEN"]
    assert len(given["RUNSTREAM_SERVICE_TOKEN"]) >= 43
