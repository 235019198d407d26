"""How the bridge asks a service that speaks TLS."""

import grpc
import pytest

from bridge.config import Config
from bridge.upstream.channel import open_channel
from tests.support.certificates import write_certificates
from tests.support.fake_service import FakeService, running
from tests.support.running_bridge import PROMPT, running_bridge


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


async def test_a_file_without_certificates_is_refused_by_name(files, tmp_path):
    with pytest.raises(ValueError, match=f"^--service-ca {files.key} holds no certificate in PEM$"):
        open_channel("127.0.0.1:1", files.key)
    with pytest.raises(ValueError, match=f"^--service-ca {tmp_path}/none can't be read: No such file or directory$"):
        open_channel("127.0.0.1:1", tmp_path / "none")
