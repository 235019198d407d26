"""`python -m bridge` as a process."""

import signal
import socket

import aiohttp
import pytest
from click.testing import CliRunner

from accounts.tokens import Token, hash_token
from bridge.__main__ import main
from tests.support.bridge_process import bridge_process
from tests.support.fake_service import DEMO
from tests.support.running_bridge import PROMPT

READY = "bridge listening on http://127.0.0.1:"


async def url_of(process):
    line = (await process.stdout.readline()).decode().strip()
    assert line.startswith(READY)
    return line.removeprefix("bridge listening on ")


async def test_it_says_where_it_listens_answers_and_ends_a_stream_when_told_to(service):
    service.gate.clear()
    async with (
        bridge_process("--port", "0", "--service", service.target, "--shutdown-grace-s", "0") as process,
        aiohttp.ClientSession() as http,
    ):
        url = f"{await url_of(process)}/client/v4/accounts/acc/ai/run/{DEMO}"
        async with http.post(url, json={**PROMPT, "stream": True}) as stream:
            assert await stream.content.readuntil(b"\n\n") == b'data: {"response":"New"}\n\n'
            process.send_signal(signal.SIGTERM)
            assert b"The server is shutting down." in await stream.read()
        assert await process.wait() == 0
        assert b"Traceback" not in await process.stderr.read()


async def test_an_interrupt_ends_it_without_a_traceback(service):
    async with bridge_process("--port", "0", "--service", service.target) as process:
        await url_of(process)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        assert b"Traceback" not in await process.stderr.read()


async def test_a_port_in_use_is_one_line_that_names_port_and_flag():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with bridge_process("--port", str(port)) as process:
            assert await process.wait() == 1
            (line,) = (await process.stderr.read()).decode().splitlines()
    assert line == (
        f"Error: port {port} of 127.0.0.1 is in use: end what listens there or choose another port with --port"
    )


async def test_a_flag_may_be_an_environment_variable(service):
    environment = {"RUNSTREAM_BRIDGE_PORT": "0", "RUNSTREAM_BRIDGE_SERVICE": service.target}
    async with bridge_process(**environment) as process, aiohttp.ClientSession() as http:
        response = await http.get(f"{await url_of(process)}/healthz")
        assert response.status == 200


async def test_a_proxy_in_the_environment_is_not_for_the_service(service):
    proxies = dict.fromkeys(("http_proxy", "grpc_proxy", "https_proxy"), "http://127.0.0.1:1")
    flags = ("--port", "0", "--service", service.target)
    async with (
        bridge_process(*flags, no_proxy="", no_grpc_proxy="", **proxies) as process,
        aiohttp.ClientSession() as http,
    ):
        url = f"{await url_of(process)}/client/v4/accounts/acc/ai/run/{DEMO}"
        assert (await http.post(url, json=PROMPT)).status == 200


def test_help_names_every_flags_environment_variable():
    shown = CliRunner().invoke(main, ["--help"], prog_name="python -m bridge").output
    for parameter in main.params:
        if parameter.name != "help":
            assert f"RUNSTREAM_BRIDGE_{parameter.name.upper()}" in "".join(shown.split())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "bridge.example", ""])
def test_listening_beyond_loopback_needs_tokens_or_a_flag(host):
    result = CliRunner().invoke(main, ["--host", host])
    assert result.exit_code == 1
    assert "--token-file or --tls-client-ca, or --allow-anonymous" in result.output


def test_tokens_in_clear_text_beyond_loopback_need_a_flag(tmp_path):
    result = CliRunner().invoke(main, ["--host", "192.0.2.1", "--token-file", str(tmp_path / "tokens")])
    assert result.exit_code == 1
    assert "192.0.2.1 has tokens sent in clear text: give --tls-cert and --tls-key, or --allow-plai" in result.output


def test_the_services_token_is_not_sent_in_clear_text_to_another_machine():
    asked = ["--port", "0", "--service", "192.0.2.1:1", "--service-token", "s3cret"]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 1
    assert "the token would be sent to 192.0.2.1:1 in clear text: give --service-ca, or" in result.output
    assert "s3cret" not in result.output


def test_an_address_that_is_not_this_machines_is_one_line():
    result = CliRunner().invoke(main, ["--host", "192.0.2.1", "--port", "0", "--allow-anonymous"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: can't listen on port 0 of 192.0.2.1")
    assert "--host" in result.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no token file"),
        (b"", "has no token"),
        (b"x", "line 1"),
        ("acc".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_token_file_that_is_none_is_one_line(tmp_path, content, words):
    path = tmp_path / "tokens"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(main, ["--token-file", str(path)])
    assert result.exit_code == 1
    assert words in result.output
    assert "Errno" not in result.output
    assert len(result.output.splitlines()) == 1


def test_a_token_file_that_can_not_be_read_is_one_line(tmp_path):
    result = CliRunner().invoke(main, ["--token-file", str(tmp_path)])
    assert result.output == f"Error: the token file {tmp_path} can't be read: Is a directory\n"


async def test_an_ipv6_address_may_have_the_brackets_of_a_url(service):
    async with (
        bridge_process("--host", "[::1]", "--port", "0", "--service", service.target) as process,
        aiohttp.ClientSession() as http,
    ):
        line = (await process.stdout.readline()).decode().strip()
        url = line.removeprefix("bridge listening on ")
        assert url.startswith("http://[::1]:")
        assert (await http.get(f"{url}/healthz")).status == 200


def test_hash_token_writes_a_line_of_a_token_file():
    result = CliRunner().invoke(main, ["hash-token", "acc", "my laptop"], input="right\n")
    assert result.exit_code == 0
    assert result.output == f"{Token('acc', hash_token('right'), 'my laptop')}\n"


@pytest.mark.parametrize(("arguments", "sent"), [(["a b", "name"], "x"), (["acc", " "], "x"), (["acc", "name"], "")])
def test_hash_token_refuses_what_makes_no_line(arguments, sent):
    result = CliRunner().invoke(main, ["hash-token", *arguments], input=f"{sent}\n")
    assert result.exit_code == 1


async def test_the_bridges_own_token_may_stand_in_a_file(service, tmp_path):
    (tmp_path / "token").write_text("inner\n")
    options = ("--port", "0", "--service", service.target, "--service-token-file", tmp_path / "token")
    async with bridge_process(*map(str, options)) as process, aiohttp.ClientSession() as http:
        url = f"{await url_of(process)}/client/v4/accounts/acc/ai/run/{DEMO}"
        assert (await http.post(url, json=PROMPT)).status == 200
        assert service.metadata["authorization"] == "Bearer inner"


def test_a_file_without_the_bridges_own_token_is_one_line(tmp_path):
    (tmp_path / "token").write_text("two words\n")
    result = CliRunner().invoke(main, ["--service-token-file", str(tmp_path / "token")])
    assert result.output.startswith(f"Error: --service-token-file {tmp_path}/token holds more than a token")
