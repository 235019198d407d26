"""How the bridge asks a service that speaks TLS."""

import asyncio

import grpc
import pytest

from bridge.config import Config
from bridge.upstream.channel import ServiceChannel
from service.rpc.tls import server_credentials
from tests.support.certificates import Authority, write_certificates
from tests.support.fake_service import FakeService, running
from tests.support.running_bridge import PROMPT, running_bridge
from transport.certificates import CertificateFiles, PemFile, client_files, identity_of


@pytest.fixture
def files(tmp_path):
    return write_certificates(tmp_path)


@pytest.fixture
async def secure(files):
    """A fake service with TLS."""
    fake = FakeService()
    pair = (files.key.read_bytes(), files.cert.read_bytes())
    async with running(fake, credentials=grpc.ssl_server_credentials([pair])):
        yield fake


async def test_a_bridge_that_trusts_the_authority_is_answered(secure, files):
    async with running_bridge(Config(service=secure.target, service_ca=files.ca)) as bridge:
        answer = await bridge.run(PROMPT)
    assert answer.status == 200
    assert b"New York" in answer.body


async def test_a_bridge_without_an_authority_is_not(secure):
    async with running_bridge(Config(service=secure.target)) as bridge:
        assert (await bridge.run(PROMPT)).status == 503


async def test_a_bridge_that_trusts_another_authority_is_not(secure, tmp_path):
    (tmp_path / "other").mkdir()
    other = write_certificates(tmp_path / "other")
    async with running_bridge(Config(service=secure.target, service_ca=other.ca)) as bridge:
        assert (await bridge.run(PROMPT)).status == 503


STREAM = {**PROMPT, "stream": True}


@pytest.fixture
def callers(tmp_path):
    """The authority that the bridge's certificate comes from."""
    return Authority(tmp_path / "callers")


@pytest.fixture
async def mutual(files, callers):
    """A fake service that asks for certificates, and reads its files again."""
    fake = FakeService()
    identity = identity_of(files.cert, files.key, "--tls")
    credentials = server_credentials(CertificateFiles(identity, PemFile("--tls-client-ca", callers.ca)))
    async with running(fake, credentials=credentials):
        yield fake


def settings(service, files, shown):
    """Those of a bridge that shows a certificate."""
    return Config(
        service=service.target, service_ca=files.ca, service_cert=shown.cert, service_key=shown.key, deadline_s=30.0
    )


async def test_a_bridge_shows_its_certificate(mutual, files, callers):
    async with running_bridge(settings(mutual, files, callers.issue("bridge", "bridge.example"))) as bridge:
        assert (await bridge.run(PROMPT)).status == 200


@pytest.mark.parametrize("kind", ["none", "ended", "other"])
async def test_a_bridge_without_a_right_one_can_not_reach_the_service(mutual, files, callers, tmp_path, kind):
    shown = {
        "none": lambda: None,
        "ended": lambda: callers.issue_expired("bridge", "bridge.example"),
        "other": lambda: Authority(tmp_path / "other").issue("bridge", "bridge.example"),
    }[kind]()
    config = settings(mutual, files, shown) if shown else Config(service=mutual.target, service_ca=files.ca)
    async with running_bridge(config) as bridge:
        answer = await bridge.run(PROMPT)
    assert answer.status == 503
    assert not mutual.requests


async def test_renewed_files_are_for_new_calls_and_a_stream_goes_on(mutual, files, callers, tmp_path):
    shown = callers.issue("bridge", "bridge.example")
    async with running_bridge(settings(mutual, files, shown)) as bridge:
        mutual.gate.clear()
        stream = await bridge.http.post(bridge.run_url, json=STREAM)
        assert await stream.content.readuntil(b"\n\n") == b'data: {"response":"New"}\n\n'
        # All at once: another authority on either side, and new certificates.
        write_certificates(tmp_path)
        successor = Authority(tmp_path / "callers")
        successor.issue("bridge", "bridge.example")
        other = await bridge.http.post(bridge.run_url, json=STREAM)
        assert await other.content.readuntil(b"\n\n") == b'data: {"response":"New"}\n\n'
        mutual.gate.set()
        for each in (stream, other):
            assert (await each.read()).endswith(b"data: [DONE]\n\n")


async def test_renewed_files_that_are_wrong_leave_the_channel(mutual, files, callers, caplog):
    shown = callers.issue("bridge", "bridge.example")
    async with running_bridge(settings(mutual, files, shown)) as bridge:
        shown.key.write_text("none")
        assert (await bridge.run(PROMPT)).status == 200
    assert f"stay in use: --service-key {shown.key} holds no private key in PEM" in caplog.text


async def test_a_bridge_that_ends_waits_for_no_replaced_channel(mutual, files, callers):
    async with running_bridge(settings(mutual, files, callers.issue("bridge", "bridge.example"))) as bridge:
        mutual.gate.clear()
        asking = asyncio.create_task(bridge.run(PROMPT))
        await mutual.started.wait()
        callers.issue("bridge", "bridge.example")
        await bridge.ask("GET", "/readyz")
        await asyncio.wait_for(bridge.runner.cleanup(), 10)
    assert (await asking).status == 503


async def test_a_file_without_certificates_is_refused_by_name(files, tmp_path):
    for path, why in ((files.key, "holds no certificate in PEM"), (tmp_path / "none", "can't be read: No such file")):
        with pytest.raises(ValueError, match=f"^--service-ca {path} {why}"):
            ServiceChannel("127.0.0.1:1", client_files(path, None, None), 1.0)
