"""Envoy with TLS on both sides, in front of services and bridges."""

import asyncio
import contextlib
import shutil
import ssl

import aiohttp
import grpc
import pytest
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from bridge.config import Config
from tests.support.certificates import Authority
from tests.support.fake_service import FakeService, running
from tests.support.running_bridge import PROMPT, running_bridge
from tests.support.running_envoy import FOLDER, host_of, lead_to, read_settings, run_envoy

NAME = "localhost"


@pytest.fixture
def authority(tmp_path):
    """What all certificates come from, where the secrets of Envoy's are installed."""
    shutil.copytree(FOLDER / "secrets", tmp_path / "envoy/secrets")
    for secret in (tmp_path / "envoy/secrets").iterdir():
        secret.write_text(secret.read_text().replace("/etc/runstream", str(tmp_path)))
    made = Authority(tmp_path)
    made.issue("envoy", NAME, "envoy.example")
    return made


@contextlib.asynccontextmanager
async def envoy_in_front(name, targets, tmp_path):
    settings = read_settings(name, tmp_path)
    lead_to(settings, targets, NAME)
    host_of(settings)["domains"] = [NAME]
    with contextlib.ExitStack() as stack:
        running_one = await asyncio.to_thread(stack.enter_context, run_envoy(settings, tmp_path))
        yield f"{NAME}:{running_one.target.rpartition(':')[2]}"


@contextlib.asynccontextmanager
async def service_with_tls(authority, names=(NAME,), is_mutual=False):
    files = authority.issue("service", *names)
    pair = (files.key.read_bytes(), files.cert.read_bytes())
    roots = files.ca.read_bytes() if is_mutual else None
    fake = FakeService()
    credentials = grpc.ssl_server_credentials([pair], roots, require_client_auth=is_mutual)
    async with running(fake, credentials=credentials):
        yield fake


async def asked(target, authority, shown=None):
    """What a client with a certificate, or without one, is answered."""
    key, cert = (shown.key.read_bytes(), shown.cert.read_bytes()) if shown else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.ca.read_bytes(), key, cert)
    async with grpc.aio.secure_channel(target, credentials) as channel:
        stub = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        metadata = (("authorization", "Bearer of-the-caller"),)
        return (await stub.Run(pb.RunRequest(), metadata=metadata, timeout=120)).text


async def test_services_are_asked_by_tls_and_get_the_callers_token(authority, tmp_path):
    async with (
        service_with_tls(authority) as service,
        envoy_in_front("services-tls", [service.target], tmp_path) as target,
    ):
        assert await asked(target, authority) == "New York"
        assert service.metadata["authorization"] == "Bearer of-the-caller"
        async with grpc.aio.insecure_channel(target) as channel:
            stub = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.Run(pb.RunRequest(), timeout=120)


@pytest.mark.parametrize("mistake", ["authority", "name"])
async def test_a_service_that_is_not_trusted_is_not_asked(authority, tmp_path, mistake):
    signer = Authority(tmp_path / "other") if mistake == "authority" else authority
    names = (NAME,) if mistake == "authority" else ("elsewhere.example",)
    async with (
        service_with_tls(signer, names) as service,
        envoy_in_front("services-tls", [service.target], tmp_path) as target,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await asked(target, authority)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not service.requests


async def test_with_mutual_tls_only_bridges_get_through(authority, tmp_path):
    async with (
        service_with_tls(authority, is_mutual=True) as service,
        envoy_in_front("services-mtls", [service.target], tmp_path) as target,
    ):
        assert await asked(target, authority, authority.issue("bridge", "bridge.example")) == "New York"
        service.requests.clear()
        others = [None, authority.issue("other", "other.example")]
        others += [Authority(tmp_path / "strangers").issue("bridge", "bridge.example")]
        for shown in others:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asked(target, authority, shown)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not service.requests


async def test_a_bridge_asks_through_mutual_tls(authority, tmp_path):
    shown = authority.issue("bridge", "bridge.example")
    async with (
        service_with_tls(authority, is_mutual=True) as service,
        envoy_in_front("services-mtls", [service.target], tmp_path) as target,
        running_bridge(
            Config(service=target, service_ca=authority.ca, service_cert=shown.cert, service_key=shown.key)
        ) as bridge,
    ):
        assert (await bridge.run(PROMPT)).status == 200
        assert service.metadata["x-runstream-account"] == "acc"


async def test_a_renewed_certificate_is_shown(authority, tmp_path):
    async with (
        service_with_tls(authority) as service,
        envoy_in_front("services-tls", [service.target], tmp_path) as target,
    ):
        place = target.split(":")
        before = await asyncio.to_thread(ssl.get_server_certificate, place)
        files = authority.issue("renewed", NAME)
        files.key.replace(tmp_path / "envoy.key")
        files.cert.replace(tmp_path / "envoy.pem")
        async with asyncio.timeout(60):
            while await asyncio.to_thread(ssl.get_server_certificate, place) == before:
                pass
        assert await asked(target, authority) == "New York"


async def test_bridges_are_asked_by_tls(authority, tmp_path):
    files = authority.issue("bridge", NAME)
    service = FakeService()
    trusted = ssl.create_default_context(cafile=str(authority.ca))
    async with (
        running(service),
        running_bridge(Config(service=service.target, tls_cert=files.cert, tls_key=files.key)) as bridge,
        envoy_in_front("bridges-tls", [bridge.url.removeprefix("https://")], tmp_path) as target,
        aiohttp.ClientSession() as http,
        http.post(f"https://{target}{bridge.run_url.removeprefix(bridge.url)}", json=PROMPT, ssl=trusted) as response,
    ):
        assert response.status == 200
        assert (await response.json())["result"]["response"] == "New York"
