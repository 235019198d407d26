"""A service that speaks TLS, with certificates that the test makes."""

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from runstream.v1 import models_pb2, models_pb2_grpc

from service.__main__ import main
from service.config import ConfigError
from service.rpc.ports import address
from service.rpc.tls import CertificateFiles, read_certificates
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
        return await stub.ListModels(models_pb2.ListModelsRequest(), timeout=30)


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
            await models_pb2_grpc.ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest(), timeout=30)
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
    assert f"the certificate before stays in use: --tls-key {files.key} is not the key" in caplog.text


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


def refusal(cert, key):
    with pytest.raises(ConfigError) as raised:
        CertificateFiles(cert, key).credentials()
    return str(raised.value)


def test_errors_name_the_file_that_is_wrong(files, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    assert refusal(files.key, files.key) == f"--tls-cert {files.key} holds no certificate in PEM"
    assert refusal(empty, files.key) == f"--tls-cert {empty} holds no certificate in PEM"
    assert (
        refusal(tmp_path / "none", files.key) == f"--tls-cert {tmp_path}/none can't be read: No such file or directory"
    )
    assert refusal(files.cert, tmp_path) == f"--tls-key {tmp_path} can't be read: Is a directory"
    assert refusal(files.cert, files.cert) == f"--tls-key {files.cert} holds no private key in PEM"


def test_the_key_of_another_certificate_is_refused(files, tmp_path):
    (tmp_path / "other").mkdir()
    other = write_certificates(tmp_path / "other")
    assert (
        refusal(files.cert, other.key)
        == f"--tls-key {other.key} is not the key of the first certificate in {files.cert}"
    )


def write_rsa(folder, num_bits):
    """Writes a certificate that an RSA key has signed for itself, and the key; returns their paths."""
    key, name, now = rsa.generate_private_key(65537, num_bits), x509.Name([]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    cert, path = builder.sign(key, SHA256()).public_bytes(Encoding.PEM), folder / f"{num_bits}"
    path.with_suffix(".pem").write_bytes(cert)
    path.with_suffix(".key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path.with_suffix(".pem"), path.with_suffix(".key")


def test_a_certificate_that_is_too_weak_for_tls_is_not_blamed_on_its_key(tmp_path):
    cert, key = write_rsa(tmp_path, 1024)
    assert refusal(cert, key) == f"--tls-cert {cert} can't be used with --tls-key {key}: ee key too small"


def test_a_key_of_another_kind_is_not_the_key_of_the_certificate(files, tmp_path):
    _, key = write_rsa(tmp_path, 2048)
    assert refusal(files.cert, key) == f"--tls-key {key} is not the key of the first certificate in {files.cert}"


def test_a_key_with_a_password_is_refused_without_asking_for_it(files):
    key = load_pem_private_key(files.key.read_bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    files.key.write_bytes(encrypted)
    assert refusal(files.cert, files.key) == f"--tls-key {files.key} has a password: give a key without one"


async def unload(target, ca):
    arguments = ["unload", "@test/absent", "--service", target, "--service-ca", str(ca)]
    return (await asyncio.to_thread(CliRunner().invoke, main, arguments)).output


async def test_the_commands_for_a_running_service_ask_with_tls(secure, files):
    assert "@test/absent" in await unload(secure, files.ca)
    assert await unload(secure, files.key) == f"error: --service-ca {files.key} holds no certificate in PEM\n"


def test_a_file_of_several_certificates_is_read_whole(files):
    files.ca.write_bytes(files.ca.read_bytes() + files.cert.read_bytes())
    assert read_certificates("--service-ca", files.ca) == files.ca.read_bytes()
