"""The certificate that the terminal shows, by gRPC and by REST."""

import asyncio

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from bridge.config import Config
from tests.support.certificates import Authority, write_certificates
from tests.support.fake_service import DEMO, FakeService, running
from tests.support.running_bridge import running_bridge
from tests.support.terminals import runstream


@pytest.fixture
def files(tmp_path):
    """The server's certificate."""
    return write_certificates(tmp_path / "server")


@pytest.fixture
def callers(tmp_path):
    """The authority of the terminal's."""
    return Authority(tmp_path / "callers")


@pytest.fixture
async def service(files, callers):
    """A service that asks for certificates."""
    fake, pair = FakeService(), (files.key.read_bytes(), files.cert.read_bytes())
    async with running(fake, credentials=grpc.ssl_server_credentials([pair], callers.ca.read_bytes(), True)):
        yield fake


@pytest.fixture
async def url(files, callers):
    """Where a bridge answers that asks for certificates."""
    fake = FakeService()
    async with running(fake):
        config = Config(service=fake.target, tls_cert=files.cert, tls_key=files.key, tls_client_ca=callers.ca)
        async with running_bridge(config) as bridge:
            yield bridge.url


async def ask(*options):
    return await asyncio.to_thread(runstream, "run", *options, "-m", DEMO, "--timeout", 30, "where?")


async def test_the_service_is_shown_a_certificate(service, files, callers):
    shown = callers.issue("me", "laptop.example")
    where = ("--target", service.target, "--ca", files.ca)
    assert (await ask(*where, "--cert", shown.cert, "--key", shown.key)).stdout == "New York\n"
    refused = await ask(*where)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "--cert if it asks for one" in refused.stderr


async def test_the_bridge_is_shown_a_certificate(url, files, callers):
    shown = callers.issue("me", "laptop.example")
    where = ("--url", url, "--ca", files.ca)
    done = await ask(*where, "--cert", shown.cert, "--key", shown.key, "--account", "laptop.example")
    assert (done.returncode, done.stdout) == (0, "New York\n"), done.stderr
    refused = await ask(*where)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert f"no connection to {url}, does it ask for a certificate? give --cert and --key: " in refused.stderr


async def test_a_certificate_for_another_account_is_told_what_to_give(url, files, callers):
    shown = callers.issue("me", "laptop.example")
    refused = await ask("--url", url, "--ca", files.ca, "--cert", shown.cert, "--key", shown.key)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "; give --account the one that the token or the certificate is for\n" in refused.stderr


def encrypted(path):
    """The path of a key with a password."""
    key = load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    return path


async def test_files_that_are_wrong_are_told_in_one_line(files, callers):
    shown, other = callers.issue("me", "laptop.example"), callers.issue("other", "laptop.example")
    url = ("--url", "https://127.0.0.1:1", "--ca", files.ca)
    for options, words in (
        (("--tls", "--cert", shown.cert), "--cert and --key belong together: give both, or neither"),
        (
            ("--cert", shown.cert, "--key", shown.key),
            "--cert is for TLS: give --ca or --tls, or an https:// --url",
        ),
        (("--tls", "--cert", shown.key, "--key", shown.key), "cert holds no certificate"),
        ((*url, "--cert", shown.cert, "--key", other.key), f"--cert {shown.cert} with --key {other.key}: "),
        ((*url, "--cert", shown.cert, "--key", encrypted(shown.key)), "--key has a password: give a key without one"),
    ):
        done = await ask(*options)
        assert words in done.stderr
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
