"""A bridge that speaks TLS, as clients, strangers and their ends meet it."""

import asyncio
import contextlib
import json
import socket
import ssl
import struct

import aiohttp
import pytest

from bridge.http.tls import ServerContext
from tests.support.bridge_process import bridge_process
from tests.support.certificates import LOOPBACK, Authority
from tests.support.fake_service import DEMO, last_part, part
from tests.support.running_bridge import PROMPT
from transport.certificates import CertificateError, server_files

STREAM = {**PROMPT, "stream": True}
PATIENCE_S = 50.0  # asyncio itself gives a handshake 60


@pytest.fixture
def authority(tmp_path):
    """The authority of the bridge's certificate."""
    return Authority(tmp_path / "bridge")


@pytest.fixture
def clients(tmp_path):
    """The authority of the clients' certificates."""
    return Authority(tmp_path / "clients")


@pytest.fixture
def files(authority):
    return authority.issue("bridge", *LOOPBACK)


@pytest.fixture
async def secure(start_bridge, files):
    """A bridge with TLS."""
    return await start_bridge(tls_cert=files.cert, tls_key=files.key)


@pytest.fixture
async def mutual(start_bridge, files, clients):
    """A bridge with mutual TLS."""
    return await start_bridge(tls_cert=files.cert, tls_key=files.key, tls_client_ca=clients.ca)


def trusting(authority, shown=None):
    """A client's side of TLS, with a certificate to show."""
    context = ssl.create_default_context(cafile=authority.ca)
    if shown:
        context.load_cert_chain(shown.cert, shown.key)
    return context


def port_of(bridge):
    return int(bridge.url.rsplit(":", 1)[1])


async def connected(bridge, context):
    return await asyncio.open_connection("127.0.0.1", port_of(bridge), ssl=context)


def request(body):
    """The bytes of a run request."""
    data = json.dumps(body).encode()
    head = f"POST /client/v4/accounts/acc/ai/run/{DEMO} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}"
    return f"{head}\r\n\r\n".encode() + data


async def test_a_client_that_trusts_the_authority_is_answered(secure, authority):
    assert (await secure.run(PROMPT, ssl=trusting(authority))).status == 200
    assert (await secure.run(STREAM, ssl=trusting(authority))).body.endswith(b"data: [DONE]\n\n")


async def test_a_client_that_trusts_another_hangs_up(secure, clients, caplog):
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await secure.run(PROMPT, ssl=trusting(clients))
    assert "Traceback" not in caplog.text


async def test_a_client_with_a_certificate_is_answered(mutual, authority, clients):
    shown = clients.issue("me", "acc")
    assert (await mutual.run(PROMPT, ssl=trusting(authority, shown))).status == 200


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("none", "peer did not return a certificate"),
        ("ended", "certificate has expired"),
        ("other", "self-signed certificate in certificate chain"),
    ],
)
async def test_a_client_without_a_right_one_is_not(mutual, service, authority, clients, caplog, kind, why):
    shown = {
        "none": lambda: None,
        "ended": lambda: clients.issue_expired("me", "acc"),
        "other": lambda: authority.issue("me", "laptop.example"),
    }[kind]()
    with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
        await mutual.run(PROMPT, ssl=trusting(authority, shown))
    assert not service.requests
    assert {record.getMessage() for record in caplog.records if record.name == "bridge.http.tls"} == {
        f"a TLS handshake failed: {why}"
    }


async def test_a_client_acts_for_the_account_that_its_certificate_names(mutual, service, authority, clients):
    shown = trusting(authority, clients.issue("me", "acc", common_name="other"))
    assert (await mutual.run(PROMPT, ssl=shown)).status == 200
    assert service.metadata["x-runstream-account"] == "acc"
    other = await mutual.ask("POST", f"/client/v4/accounts/other/ai/run/{DEMO}", json=PROMPT, ssl=shown)
    assert other.error == (403, 10000, "Authentication error")
    chat = {"model": DEMO, "messages": [{"role": "user", "content": "where?"}]}
    assert (await mutual.ask("POST", "/v1/chat/completions", json=chat, ssl=shown)).status == 200
    assert service.metadata["x-runstream-account"] == "acc"


async def test_a_certificate_that_names_no_account_lets_nobody_in(mutual, service, authority, clients):
    shown = trusting(authority, clients.issue("me", "10.0.0.1", common_name="a b"))
    status, code, message = (await mutual.run(PROMPT, ssl=shown)).error
    assert (status, code) == (401, 10000)
    assert message.startswith("Authentication error: the certificate names no account: ")
    assert not service.requests


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_an_old_version_of_tls_is_refused(secure, authority, caplog, version):
    context = trusting(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = version
    context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await connected(secure, context)
    assert "a TLS handshake failed: unsupported protocol" in caplog.text


async def test_renewed_files_are_for_who_connects_next_while_a_stream_goes_on(mutual, service, authority, tmp_path):
    clients = Authority(tmp_path / "clients")
    old = trusting(authority, clients.issue("me", "acc"))
    service.gate.clear()
    stream = await mutual.http.post(mutual.run_url, json=STREAM, ssl=old)
    assert await stream.content.readuntil(b"\n\n") == b'data: {"response":"New"}\n\n'
    successor = Authority(tmp_path / "bridge")
    successor.issue("bridge", *LOOPBACK)
    other = trusting(successor, clients.issue("me", "acc"))
    assert (await mutual.ask("GET", "/healthz", ssl=other)).status == 200
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await mutual.ask("GET", "/healthz", ssl=old)
    service.gate.set()
    assert (await stream.read()).endswith(b"data: [DONE]\n\n")


async def test_an_authority_that_is_renewed_refuses_those_of_the_one_before(mutual, authority, clients, tmp_path):
    old = clients.issue("old", "laptop.example")
    assert (await mutual.ask("GET", "/healthz", ssl=trusting(authority, old))).status == 200
    successor = Authority(tmp_path / "clients")
    with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
        await mutual.ask("GET", "/healthz", ssl=trusting(authority, old))
    shown = successor.issue("me", "laptop.example")
    assert (await mutual.ask("GET", "/healthz", ssl=trusting(authority, shown))).status == 200


async def test_renewed_files_that_are_wrong_leave_those_before(secure, authority, files, caplog):
    files.key.write_text("none")
    for _ in range(2):
        assert (await secure.ask("GET", "/healthz", ssl=trusting(authority))).status == 200
    assert f"stay in use: --tls-key {files.key} holds no private key in PEM" in caplog.text


@pytest.mark.parametrize("body", [PROMPT, STREAM])
@pytest.mark.parametrize("end", ["close", "half", "gone", "reset"])
async def test_a_client_that_has_left_cancels_its_call(secure, service, authority, caplog, body, end):
    service.gate.clear()
    service.parts = [part("New"), part(" York"), last_part()]
    _, writer = await connected(secure, trusting(authority))
    writer.write(request(body))
    await service.started.wait()
    raw = writer.get_extra_info("socket")
    if end == "close":
        writer.close()
    elif end == "half":  # a FIN without a word of TLS before it, and a side that stays open
        raw.shutdown(socket.SHUT_WR)
    else:
        if end == "reset":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    async with asyncio.timeout(PATIENCE_S):
        await service.cancelled.wait()
    writer.transport.abort()
    assert "eof_received" not in caplog.text


async def test_a_client_whose_request_is_not_whole_may_leave(secure, service, authority):
    _, writer = await connected(secure, trusting(authority))
    writer.write(request(PROMPT)[:-1])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await secure.run(PROMPT, ssl=trusting(authority))).status == 200
    assert len(service.requests) == 1


async def test_http_on_the_port_of_tls_is_told_in_a_line(secure, caplog):
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(secure))
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1_000)
    writer.close()
    assert "a client spoke HTTP without TLS: it has to ask https://" in caplog.text
    assert "Traceback" not in caplog.text


async def test_tls_on_the_port_of_http_is_told_in_a_line(bridge, authority, caplog):
    with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        await connected(bridge, trusting(authority))
    assert "a client spoke TLS, which this port has not" in caplog.text
    assert "Traceback" not in caplog.text


async def test_bytes_that_are_no_handshake_are_told_in_a_line(secure, caplog):
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(secure))
    writer.write(b"\x16\x03\x01\x00\x05hello")
    await reader.read()
    writer.close()
    assert "a TLS handshake failed: " in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01"])
async def test_a_handshake_that_does_not_go_on_ends(start_bridge, files, begun, caplog):
    bridge = await start_bridge(tls_cert=files.cert, tls_key=files.key, head_timeout_s=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(bridge))
    writer.write(begun)
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()
    assert "Traceback" not in caplog.text


def make_context(*given):
    files = server_files(*given)
    assert files is not None
    return ServerContext(files)


def refusal(*given):
    with pytest.raises(CertificateError) as raised:
        make_context(*given)
    return str(raised.value)


def test_files_that_are_wrong_are_told_by_name(files, clients):
    assert refusal(files.key, files.key, None) == f"--tls-cert {files.key} holds no certificate in PEM"
    assert refusal(files.cert, files.cert, None) == f"--tls-key {files.cert} holds no private key in PEM"
    assert refusal(files.cert, files.key, files.key) == f"--tls-client-ca {files.key} holds no certificate in PEM"
    assert refusal(None, None, clients.ca) == "--tls-client-ca is for TLS: give --tls-cert and --tls-key, too"


async def test_the_process_says_that_it_has_tls(service, files, authority):
    flags = ("--port", "0", "--service", service.target, "--tls-cert", files.cert, "--tls-key", files.key)
    async with bridge_process(*flags) as process, aiohttp.ClientSession() as http:
        line = (await process.stdout.readline()).decode().strip()
        url = line.removeprefix("bridge listening on ")
        assert url.startswith("https://127.0.0.1:")
        async with http.get(f"{url}/healthz", ssl=trusting(authority)) as answer:
            assert answer.status == 200


async def test_a_process_with_wrong_files_ends_with_a_line(files):
    async with bridge_process("--port", "0", "--tls-cert", files.cert) as process:
        assert await process.wait() == 1
        told = (await process.stderr.read()).decode()
    assert told == "Error: --tls-cert and --tls-key belong together: give both, or neither\n"
