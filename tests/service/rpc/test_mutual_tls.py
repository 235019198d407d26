"""A service that asks callers for certificates, as every kind of caller meets it."""

import asyncio
import socket
import ssl

import grpc
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from runstream.v1 import models_pb2, models_pb2_grpc

from service.__main__ import main
from service.config import ConfigError
from service.rpc.ports import address
from tests.support.certificates import LOOPBACK, Authority
from tests.support.running_service import MODEL, config, run_service

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def authority(tmp_path):
    """The authority of the service's own certificate."""
    return Authority(tmp_path / "service")


@pytest.fixture
def callers(tmp_path):
    """The authority of the callers' certificates."""
    return Authority(tmp_path / "callers")


@pytest.fixture
async def secure(catalog_file, authority, callers):
    """The address of a service with mutual TLS, which loads nothing."""
    files = authority.issue("service", *LOOPBACK)
    settings = config(
        catalog_file,
        load="on-use",
        tls_cert=files.cert,
        tls_key=files.key,
        tls_client_ca=callers.ca,
        tls_peers=("peer.example",),
    )
    async with run_service(settings) as running:
        yield address("127.0.0.1", running.service.port)


def channel(target, authority, shown=None):
    """A channel to the service, with a certificate to show."""
    pair = (shown.key.read_bytes(), shown.cert.read_bytes()) if shown else (None, None)
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(authority.ca.read_bytes(), *pair))


async def list_models(target, authority, shown=None):
    async with channel(target, authority, shown) as opened:
        return await models_pb2_grpc.ModelServiceStub(opened).ListModels(models_pb2.ListModelsRequest(), timeout=120)


async def is_refused(target, authority, shown=None):
    """Whether the connection is, before any call."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await list_models(target, authority, shown)
    return raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_caller_with_a_certificate_of_the_authority_is_answered(secure, authority, callers):
    assert (await list_models(secure, authority, callers.issue("me", "laptop.example"))).models


async def test_a_caller_without_one_is_refused(secure, authority):
    assert await is_refused(secure, authority)


async def test_a_caller_with_one_of_another_authority_is_refused(secure, authority, callers, tmp_path):
    assert await is_refused(secure, authority, authority.issue("me", "laptop.example"))
    assert await is_refused(secure, authority, Authority(tmp_path / "other").issue("me", "laptop.example"))


async def test_a_caller_whose_certificate_has_ended_is_refused(secure, authority, callers):
    assert await is_refused(secure, authority, callers.issue_expired("me", "laptop.example"))


async def test_health_and_reflection_ask_for_a_certificate_too(secure, authority, callers):
    async with channel(secure, authority) as opened:
        for asking in (
            health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=120),
            reflection_pb2_grpc.ServerReflectionStub(opened).ServerReflectionInfo(iter([LIST]), timeout=120).read(),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await asking
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    async with channel(secure, authority, callers.issue("me", "laptop.example")) as opened:
        assert (await health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest())).status == SERVING
        told = await reflection_pb2_grpc.ServerReflectionStub(opened).ServerReflectionInfo(iter([LIST])).read()
    assert "runstream.v1.ModelService" in {each.name for each in told.list_services_response.service}


LIST = reflection_pb2.ServerReflectionRequest(list_services="")


async def test_renewed_files_are_for_who_connects_next_while_a_stream_goes_on(secure, authority, callers, tmp_path):
    old = callers.issue("me", "laptop.example")
    async with channel(secure, authority, old) as opened:
        watching = health_pb2_grpc.HealthStub(opened).Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == SERVING
        authority.issue("service", *LOOPBACK)
        successor = Authority(tmp_path / "successor")
        callers.ca.write_bytes(successor.ca.read_bytes())
        assert (await list_models(secure, authority, successor.issue("me", "laptop.example"))).models
        assert await is_refused(secure, authority, old)
        assert (await models_pb2_grpc.ModelServiceStub(opened).ListModels(models_pb2.ListModelsRequest())).models
        assert not watching.done()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_an_old_version_of_tls_is_refused(secure, authority, callers, version):
    shown = callers.issue("me", "laptop.example")
    context = ssl.create_default_context(cafile=authority.ca)
    context.load_cert_chain(shown.cert, shown.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = version
    context.maximum_version = version

    def connect():
        host, port = secure.split(":")
        with socket.create_connection((host, int(port))) as sock, context.wrap_socket(sock, server_hostname=host):
            raise AssertionError("it was taken")

    with pytest.raises(ssl.SSLError, match=r"ALERT_PROTOCOL_VERSION|EOF occurred"):
        await asyncio.to_thread(connect)


async def unload(target, *files):
    arguments = ["unload", "@test/absent", "--service", target, *map(str, files)]
    return (await asyncio.to_thread(CliRunner().invoke, main, arguments)).output


async def test_the_commands_for_a_running_service_show_a_certificate(secure, authority, callers):
    shown = callers.issue("peer", "peer.example")
    flags = ("--service-ca", authority.ca, "--service-cert", shown.cert, "--service-key", shown.key)
    assert "@test/absent: " in await unload(secure, *flags)
    assert "(UNAVAILABLE)" in await unload(secure, *flags[:2])
    assert await unload(secure, *flags[2:]) == "error: --service-cert is for TLS: give --service-ca, too\n"
    assert "--service-cert and --service-key belong together" in await unload(secure, *flags[:4])


async def refusal_of(secure, authority, shown, method="ListModels", account="", token=""):
    """The status code and text of a call that names an account; None if it passes."""
    pairs = (("x-runstream-account", account), ("authorization", f"Bearer {token}"))
    sent = tuple(pair for pair, value in zip(pairs, (account, token), strict=True) if value)
    request = models_pb2.ListModelsRequest() if method == "ListModels" else models_pb2.UnloadModelRequest(model=MODEL)
    async with channel(secure, authority, shown) as opened:
        try:
            await getattr(models_pb2_grpc.ModelServiceStub(opened), method)(request, metadata=sent, timeout=120)
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details()
    return None


async def test_a_caller_acts_for_the_account_that_its_certificate_names(secure, authority, callers):
    shown = callers.issue("me", "laptop.example", "other.example", common_name="local")
    assert await refusal_of(secure, authority, shown) is None
    assert await refusal_of(secure, authority, shown, account="laptop.example") is None
    for account in ("other.example", "local", "peer.example"):
        code, _ = await refusal_of(secure, authority, shown, account=account)
        assert code is grpc.StatusCode.PERMISSION_DENIED
    code, _ = await refusal_of(secure, authority, shown, method="UnloadModel")
    assert code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_trusted_peer_may_name_any_account_and_see_to_the_models(secure, authority, callers):
    peer = callers.issue("peer", "peer.example")
    assert await refusal_of(secure, authority, peer, account="laptop.example") is None
    assert await refusal_of(secure, authority, peer, method="UnloadModel") is None


@pytest.mark.parametrize("name", ["peer.example", "laptop.example"])
async def test_a_certificate_without_such_names_counts_by_its_common_name(secure, authority, callers, name):
    shown = callers.issue("me", "10.0.0.1", common_name=name)
    is_refused_account = await refusal_of(secure, authority, shown, account="desk.example") is not None
    assert is_refused_account == (name != "peer.example")


async def test_a_certificate_that_names_no_account_lets_nobody_in(secure, authority, callers):
    code, text = await refusal_of(secure, authority, callers.issue("me", "10.0.0.1", common_name="a b"))
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert text.startswith("the certificate names no account: ")


async def test_where_there_are_tokens_one_that_is_sent_decides(catalog_file, authority, callers):
    files, shown = authority.issue("service", *LOOPBACK), callers.issue("me", "laptop.example")
    settings = config(
        catalog_file,
        load="on-use",
        tls_cert=files.cert,
        tls_key=files.key,
        tls_client_ca=callers.ca,
        token="right",
    )
    async with run_service(settings) as running:
        secure = address("127.0.0.1", running.service.port)
        assert await refusal_of(secure, authority, shown) is None
        assert await refusal_of(secure, authority, shown, token="right", account="desk.example") is None
        code, _ = await refusal_of(secure, authority, shown, token="wrong")
        assert code is grpc.StatusCode.UNAUTHENTICATED


def test_names_of_peers_need_certificates(catalog_file):
    with pytest.raises(ConfigError, match="--tls-peers names certificates: give --tls-client-ca"):
        config(catalog_file, tls_peers=("peer.example",))


async def health(target, *files):
    arguments = ["health", "--service", target, *map(str, files)]
    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    return done.exit_code, done.output


async def test_the_command_health_tells_whether_the_service_can_answer(secure, authority, callers, unused_tcp_port):
    shown = callers.issue("probe", "probe.example")
    flags = ("--service-ca", authority.ca, "--service-cert", shown.cert, "--service-key", shown.key)
    assert await health(secure, *flags) == (0, f"{secure}: SERVING\n")
    assert (await health(secure, *flags[:2]))[0] == 1
    status, said = await health(f"127.0.0.1:{unused_tcp_port}")
    assert status == 1
    assert said.endswith("(UNAVAILABLE)\n")


def test_to_ask_for_certificates_needs_one_to_show(catalog_file, callers):
    with pytest.raises(ConfigError, match="--tls-client-ca is for TLS: give --tls-cert and --tls-key"):
        config(catalog_file, tls_client_ca=callers.ca)


async def test_an_authority_that_is_none_is_told_before_anything_is_loaded(catalog_file, authority, tmp_path):
    files = authority.issue("service", *LOOPBACK)
    settings = config(catalog_file, tls_cert=files.cert, tls_key=files.key, tls_client_ca=files.key)
    with pytest.raises(ConfigError, match=f"--tls-client-ca {files.key} holds no certificate in PEM"):
        async with run_service(settings):
            pass
