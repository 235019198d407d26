"""Where to listen and where to ask, as they are written on the command line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.__main__ import main
from bridge.http import addresses
from service.__main__ import main as service_main
from service.rpc import ports
from tests.support.running_service import config

SIDES = pytest.mark.parametrize("side", [addresses, ports], ids=["bridge", "service"])
TARGETS = ["127.0.0.1:50051", "localhost:1", "[::1]:65535", "gpu.example:50051", "unix:/run/a.sock", "unix:a.sock"]
SCHEMES = ["unix:///run/a.sock", "dns:///gpu.example:1", "ipv4:10.0.0.1:1", "ipv6:[::1]:1", "unix-abstract:a"]
NO_TARGETS = {
    "a URL": "http://127.0.0.1:50051",
    "a URL with TLS": "https://gpu.example:50051",
    "a URL of gRPC": "grpc://127.0.0.1:50051",
    "a URL without a port": "http://gpu.example",
    "no port": "127.0.0.1",
    "an empty port": "127.0.0.1:",
    "a port that is none": "127.0.0.1:grpc",
    "port 0": "127.0.0.1:0",
    "a port too high": "127.0.0.1:65536",
    "no host": ":50051",
    "an address without brackets": "::1:50051",
    "a path": "127.0.0.1:50051/",
    "a path alone": "/run/a.sock",
    "a space": "gpu example:1",
    "no path": "unix:",
    "nothing": "",
}


@SIDES
@pytest.mark.parametrize("target", TARGETS + SCHEMES)
def test_what_grpc_can_ask_is_let_pass(side, target):
    side.check_target(target)


@SIDES
@pytest.mark.parametrize("target", NO_TARGETS.values(), ids=NO_TARGETS)
def test_what_it_can_not_is_refused_with_what_is_expected(side, target):
    with pytest.raises(ValueError, match=r"give host:port, such as 127\.0\.0\.1:50051, or unix:/path"):
        side.check_target(target)


@pytest.mark.parametrize("command", [[main], [service_main, "load", "@test/tiny"], [service_main, "unload", "m"]])
def test_the_command_line_says_so_in_one_line(command):
    program, *arguments = command
    result = CliRunner().invoke(program, [*arguments, "--service", "http://127.0.0.1:50051"])
    assert result.exit_code == 2
    line = result.output.splitlines()[-1]
    assert line.startswith("Error: Invalid value for '--service'")
    assert "'http://127.0.0.1:50051' is no address: give host:port" in line


@SIDES
@pytest.mark.parametrize(
    ("host", "bare"), [("[::1]", "::1"), ("::1", "::1"), ("[::]", "::"), ("localhost", "localhost"), ("[::1", "[::1")]
)
def test_an_address_may_have_the_brackets_of_a_url(side, host, bare):
    assert side.bare_host(host) == bare


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("unix:/run/a.sock", Path("/run/a.sock")),
        ("unix:///run/a.sock", Path("/run/a.sock")),
        ("unix:a.sock", Path("a.sock")),
        ("127.0.0.1", None),
        ("unix.example", None),
    ],
)
def test_a_socket_is_written_as_grpc_writes_it(host, path):
    assert addresses.unix_path(host) == config(Path("catalog.yaml"), host=host).unix_path == path


@pytest.mark.parametrize("text", ["AI.example", "ai.example:8080", " ai.example , "])
def test_an_allowed_host_is_compared_without_its_port_and_case(text):
    assert main.make_context("bridge", ["--allowed-hosts", text]).params["allowed_hosts"] == {"ai.example"}


@pytest.mark.parametrize("text", ["https://ai.example", "ai.example/", "*.ai.example", "*", "[::1", ":80"])
def test_what_no_host_header_can_be_is_refused(text):
    result = CliRunner().invoke(main, ["--allowed-hosts", f"one.example,{text}"])
    assert result.exit_code == 2
    assert f"{text!r} is no host name: give one such as ai.example" in result.output


@pytest.mark.parametrize("text", ["https://app.example", "https://APP.example/", " https://app.example ,"])
def test_an_allowed_origin_is_compared_as_browsers_write_it(text):
    told = main.make_context("bridge", ["--allowed-origins", f"null,{text}"]).params["allowed_origins"]
    assert told == {"null", "https://app.example"}


@pytest.mark.parametrize(
    "text", ["app.example", "*", "https://", "https://*.example", "https://a.example/app", "http:/a"]
)
def test_what_no_browser_sends_as_an_origin_is_refused(text):
    result = CliRunner().invoke(main, ["--allowed-origins", text])
    assert result.exit_code == 2
    assert f"{text!r} is no origin: give one such as https://app.example" in result.output


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9464/metrics", "http://[::1]:9464/metrics", "https://gpu/m"])
def test_the_address_of_the_services_metrics_is_that_of_a_page(url):
    assert main.make_context("bridge", ["--service-metrics", url]).params["service_metrics"] == url


@pytest.mark.parametrize("url", ["127.0.0.1:9464", "ftp://gpu/metrics", "http://", "http://gpu:0/", "http://gpu:x/"])
def test_what_is_no_address_of_a_page_is_refused(url):
    result = CliRunner().invoke(main, ["--service-metrics", url])
    assert result.exit_code == 2
    assert "is no address of a page: give one such as http://127.0.0.1:9464/metrics" in " ".join(result.output.split())
