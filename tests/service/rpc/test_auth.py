"""Who may call a service that has a token, and where one without a token may listen."""

import grpc
import pytest
from runstream.v1 import models_pb2, models_pb2_grpc

from service.config import ConfigError, check_exposure, check_plaintext, read_token
from service.metrics import Metrics
from service.rpc.auth import BearerToken
from service.rpc.models import ModelServicer
from tests.support.running_service import error_info, models_with


async def list_models(token: str, metadata: tuple[tuple[str, str], ...]) -> models_pb2.ListModelsResponse:
    """Calls a server with a token and an empty catalog."""
    server = grpc.aio.server()
    servicer = ModelServicer(models_with({}), BearerToken(token), Metrics())
    models_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = models_pb2_grpc.ModelServiceStub(channel)
            return await stub.ListModels(models_pb2.ListModelsRequest(), metadata=metadata)
    finally:
        await server.stop(None)


@pytest.mark.parametrize("sent", ["Bearer right", "bearer right"])
async def test_the_right_token_lets_in(sent):
    assert await list_models("right", (("authorization", sent),)) is not None


NEEDED = "the call needs metadata authorization: Bearer <the service's token>"


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ((), NEEDED),
        ((("authorization", "right"),), NEEDED),
        ((("authorization", "Bearer "),), NEEDED),
        ((("authorization", "Bearer wrong"),), "the token is not the service's"),
    ],
)
async def test_no_token_or_another_one_does_not(metadata, words):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await list_models("right", metadata)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, words)
    assert error_info(caught.value).reason == "UNAUTHENTICATED"


@pytest.mark.parametrize("token", ["right", ""])
@pytest.mark.parametrize("others", ["Bearer right", "Bearer wrong", ""])
async def test_two_tokens_are_refused(token, others):
    with pytest.raises(grpc.aio.AioRpcError, match="2 values of authorization") as caught:
        await list_models(token, (("authorization", "Bearer right"), ("authorization", others)))
    assert error_info(caught.value).reason == "UNAUTHENTICATED"


async def test_a_service_without_a_token_asks_for_none():
    assert await list_models("", ()) is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost", "unix:/run/a.sock"])
def test_loopback_needs_no_token(host):
    check_exposure(host, token="", allow_anonymous=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", ""])
def test_beyond_loopback_needs_a_token_or_a_clear_wish(host):
    with pytest.raises(ConfigError, match="set --token-file or --tls-client-ca, or --allow-anonymous"):
        check_exposure(host, token="", allow_anonymous=False)
    check_exposure(host, token="right", allow_anonymous=False)
    check_exposure(host, token="", allow_anonymous=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "unix:/run/a.sock"])
def test_on_loopback_a_token_needs_no_tls(host):
    check_plaintext(host, has_tls=False, allow_plaintext_token=False)


def test_beyond_loopback_a_token_needs_tls_or_a_clear_wish():
    with pytest.raises(ConfigError, match="--tls-cert and --tls-key, or --allow-plaintext-token"):
        check_plaintext("0.0.0.0", has_tls=False, allow_plaintext_token=False)
    check_plaintext("0.0.0.0", has_tls=True, allow_plaintext_token=False)
    check_plaintext("0.0.0.0", has_tls=False, allow_plaintext_token=True)


def test_a_token_file_holds_the_token_and_may_end_with_a_line_break(tmp_path):
    path = tmp_path / "token"
    path.write_text("right\n")
    assert read_token(path) == "right"


def test_a_token_file_that_is_empty_or_missing_is_refused(tmp_path):
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        read_token(tmp_path / "empty")
    with pytest.raises(ConfigError) as raised:
        read_token(tmp_path / "none")
    assert str(raised.value) == f"--token-file {tmp_path}/none can't be read: No such file or directory"


def test_a_token_file_may_begin_with_the_mark_that_windows_writes(tmp_path):
    path = tmp_path / "token"
    path.write_text("right\r\n", "utf-8-sig")
    assert read_token(path) == "right"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("right".encode("utf-16"), "is not UTF-8"),
        (b"right\nwrong\n", "holds more than a token"),
        ("räight".encode(), "holds more than a token"),
    ],
)
def test_a_file_that_no_caller_could_send_is_refused(tmp_path, content, words):
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        read_token(path)
