"""`python -m bridge health` against a bridge on a real socket."""

import asyncio

import pytest
from click.testing import CliRunner

from bridge.__main__ import main
from tests.support.certificates import LOOPBACK, Authority


async def asked(*arguments):
    """The exit status and what is said."""
    done = await asyncio.to_thread(CliRunner().invoke, main, ["health", *map(str, arguments)])
    return done.exit_code, done.output


async def test_a_bridge_that_is_alive_is_told_so(bridge):
    assert await asked("--url", bridge.url) == (0, f"{bridge.url}/healthz: 200\n")
    assert await asked("--url", f"{bridge.url}/", "--ready") == (0, f"{bridge.url}/readyz: 200\n")


async def test_a_bridge_whose_service_is_gone_is_alive_and_not_ready(start_bridge, unused_tcp_port):
    bridge = await start_bridge(service=f"127.0.0.1:{unused_tcp_port}")
    assert (await asked("--url", bridge.url))[0] == 0
    status, said = await asked("--url", bridge.url, "--ready")
    assert (status, said) == (1, f"{bridge.url}/readyz: 503\n")


async def test_where_nobody_listens_is_told_in_a_line(unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    status, said = await asked("--url", url)
    assert status == 1
    assert said.startswith(f"error: {url}/healthz: Cannot connect to host")
    assert (await asked("--url", "127.0.0.1:8080"))[1].startswith("error: 127.0.0.1:8080/healthz: '127.0.0.1:8080/heal")


@pytest.fixture
async def mutual(start_bridge, tmp_path):
    """A bridge with mutual TLS, and the files for a client of it."""
    servers, clients = Authority(tmp_path / "servers"), Authority(tmp_path / "clients")
    files = servers.issue("bridge", *LOOPBACK)
    bridge = await start_bridge(tls_cert=files.cert, tls_key=files.key, tls_client_ca=clients.ca)
    shown = clients.issue("probe", "probe.example")
    return bridge.url, ("--ca", servers.ca, "--cert", shown.cert, "--key", shown.key)


async def test_a_bridge_with_mutual_tls_is_shown_a_certificate(mutual):
    url, flags = mutual
    assert await asked("--url", url, *flags) == (0, f"{url}/healthz: 200\n")
    assert (await asked("--url", url, *flags[:2]))[0] == 1
    assert "CERTIFICATE_VERIFY_FAILED" in (await asked("--url", url))[1]
    assert "--cert and --key belong together" in (await asked("--url", url, *flags[:4]))[1]
    assert f"--ca {flags[5]} holds no certificate in PEM" in (await asked("--url", url, "--ca", flags[5]))[1]
