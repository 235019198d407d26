"""A service that speaks TLS, with certificates that the test makes."""

import asyncio

import grpc
import pytest
from click.testing import CliRunner
from runstream.v1 import models_pb2, models_pb2_grpc

from service.__main__ import main
from service.config import ConfigError
from service.rpc.ports import address
from tests.support.certificates import write_certificates
from tests.support.running_service import config, run_service


@pytest.fixture
def files(tmp_path):
    return write_certificates(tmp_path)


@pytest.fixture
async def secure(catalog_file, files):
    """The address of a service with TLS, which loads nothing."""
    settings = config(catalog_file, load="on-use", tls_cert=files.cert, tls_key=files.key)
    async with run_service(settings) as running:
        yield address("127.0.0.1", running.service.port)


async def list_models(target, ca):
    async with grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(ca)) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        return await stub.ListModels(models_pb2.ListModelsRequest(), timeout=120)


async def test_who_trusts_the_authority_is_answered(secure, files):
    assert (await list_models(secure, files.ca.read_bytes())).models


async def test_who_trusts_another_authority_hangs_up(secure, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await list_models(secure, write_certificates(tmp_path / "other").ca.read_bytes())
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_plain_text_is_refused(secure):
    async with grpc.aio.insecure_channel(secure) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await models_pb2_grpc.ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest(), timeout=120)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_renewed_certificate_is_shown_to_the_next_who_connects(secure, files):
    old = files.ca.read_bytes()
    await list_models(secure, old)
    write_certificates(files.ca.parent)
    assert (await list_models(secure, files.ca.read_bytes())).models
    with pytest.raises(grpc.aio.AioRpcError):
        await list_models(secure, old)


async def test_a_renewed_certificate_without_its_key_leaves_the_one_before(secure, files, caplog):
    trusted, key = files.ca.read_bytes(), files.key.read_bytes()
    write_certificates(files.ca.parent)
    files.key.write_bytes(key)
    assert (await list_models(secure, trusted)).models
    assert f"the certificates before stay in use: --tls-key {files.key} is not the key" in caplog.text


async def test_a_service_on_a_unix_socket_may_speak_tls_too(catalog_file, files, tmp_path):
    host = f"unix:{tmp_path}/s"
    async with run_service(config(catalog_file, load="on-use", host=host, tls_cert=files.cert, tls_key=files.key)):
        options = [("grpc.ssl_target_name_override", "localhost")]
        credentials = grpc.ssl_channel_credentials(files.ca.read_bytes())
        async with grpc.aio.secure_channel(host, credentials, options) as channel:
            assert await models_pb2_grpc.ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest())


def test_a_certificate_without_a_key_is_refused(catalog_file, files):
    with pytest.raises(ConfigError, match="--tls-cert and --tls-key belong together"):
        config(catalog_file, tls_cert=files.cert)


async def unload(target, ca):
    arguments = ["unload", "@test/absent", "--service", target, "--service-ca", str(ca)]
    return (await asyncio.to_thread(CliRunner().invoke, main, arguments)).output


async def test_the_commands_for_a_running_service_ask_with_tls(secure, files):
    assert "@test/absent" in await unload(secure, files.ca)
    assert await unload(secure, files.key) == f"error: --service-ca {files.key} holds no certificate in PEM\n"
