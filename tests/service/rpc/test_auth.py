"""Who calls a service with tokens, and where one without them may listen."""

from datetime import UTC, datetime

import grpc
import pytest
from runstream.v1 import models_pb2, models_pb2_grpc

from accounts.known_tokens import KnownTokens, Tokens
from accounts.tokens import Token, hash_token
from service.config import ConfigError, check_exposure, check_plaintext
from service.errors import InvalidRequestError, PermissionDeniedError
from service.metrics import Metrics
from service.rpc.auth import Caller, Callers, open_tokens
from service.rpc.models import ModelServicer
from tests.support.running_service import error_info, models_with

NOW = 1_800_000_000.0
OLD = Token("acc", hash_token("old"), "old", datetime.fromtimestamp(NOW, UTC))
TOKENS = (
    Token("acc", hash_token("right"), "laptop"),
    Token("second", hash_token("right"), "laptop too"),
    Token("other", hash_token("others"), "desk"),
    Token("*", hash_token("peers"), "bridge"),
    OLD,
)
KNOWN = KnownTokens(TOKENS, clock=lambda: NOW)
NEEDED = "the call needs metadata authorization: Bearer <the service's token>"


class Called:
    """A call with some metadata."""

    def __init__(self, *metadata):
        self._metadata = metadata

    def invocation_metadata(self):
        return self._metadata


def identified(sent: str | None, *accounts: str | bytes, tokens: Tokens | None = KNOWN) -> Caller:
    """Who calls with a token and the accounts that its metadata names."""
    authorization = [] if sent is None else [("authorization", f"Bearer {sent}")]
    called = Called(*authorization, *(("x-runstream-account", account) for account in accounts))
    return Callers(tokens).identify(called)  # type: ignore[arg-type]  # it reads nothing else


async def list_models(tokens: Tokens | None, metadata: tuple[tuple[str, str], ...]) -> models_pb2.ListModelsResponse:
    """Calls a server with some tokens and an empty catalog."""
    server = grpc.aio.server()
    servicer = ModelServicer(models_with({}), Callers(tokens), Metrics())
    models_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = models_pb2_grpc.ModelServiceStub(channel)
            return await stub.ListModels(models_pb2.ListModelsRequest(), metadata=metadata)
    finally:
        await server.stop(None)


@pytest.mark.parametrize("sent", ["Bearer right", "bearer right", "Bearer peers"])
async def test_a_known_token_lets_in(sent):
    assert await list_models(KNOWN, (("authorization", sent),)) is not None


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ((), NEEDED),
        ((("authorization", "right"),), NEEDED),
        ((("authorization", "Bearer "),), NEEDED),
        ((("authorization", "Bearer wrong"),), "the token is not the service's"),
        ((("authorization", f"Bearer {'x' * 2000}"),), "the token is not the service's"),
        ((("authorization", "Bearer old"),), "the token has expired at 2027-01-15T08:00:00Z: ask for a new one"),
    ],
)
async def test_no_token_or_another_one_does_not(metadata, words):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await list_models(KNOWN, metadata)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, words)
    assert error_info(caught.value).reason == "UNAUTHENTICATED"


@pytest.mark.parametrize("tokens", [KNOWN, None])
@pytest.mark.parametrize("others", ["Bearer right", "Bearer wrong", ""])
async def test_two_tokens_are_refused(tokens, others):
    with pytest.raises(grpc.aio.AioRpcError, match="2 values of authorization") as caught:
        await list_models(tokens, (("authorization", "Bearer right"), ("authorization", others)))
    assert error_info(caught.value).reason == "UNAUTHENTICATED"


async def test_a_service_without_tokens_asks_for_none():
    assert await list_models(None, ()) is not None


def test_a_caller_acts_for_its_tokens_account():
    assert identified("right") == Caller("acc", "laptop")
    assert identified("right", "second") == Caller("second", "laptop too")
    assert identified("others", "other") == Caller("other", "desk")


def test_a_peer_acts_for_the_account_that_it_names():
    assert identified("peers", "anybody") == Caller("anybody", "bridge", is_peer=True)
    assert identified("peers") == Caller("local", "bridge", is_peer=True)
    assert identified(None, "anybody", tokens=None) == Caller("anybody", is_peer=True)
    assert identified(None, tokens=None) == Caller("local", is_peer=True)


@pytest.mark.parametrize("account", ["other", "local", "acc2"])
def test_others_may_not_name_an_account_that_is_not_theirs(account):
    with pytest.raises(PermissionDeniedError, match="x-runstream-account is not the token's account"):
        identified("right", account)


@pytest.mark.parametrize("tokens", [KNOWN, None])
@pytest.mark.parametrize("accounts", [("acc", "acc"), ("",), ("*",), ("a b",), ("a/b",), (b"\xff",), ("x" * 129,)])
def test_two_accounts_and_what_is_none_are_refused(tokens, accounts):
    with pytest.raises(InvalidRequestError, match="x-runstream-account"):
        identified("peers", *accounts, tokens=tokens)


def test_the_shared_token_is_a_peers_beside_those_of_a_file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{TOKENS[0]}\n")
    assert open_tokens("", None) is None
    for tokens in (open_tokens("shared", None), open_tokens("shared", path)):
        assert identified("shared", "anybody", tokens=tokens) == Caller("anybody", "--token", is_peer=True)
    assert identified("right", tokens=open_tokens("shared", path)).account == "acc"


def test_a_token_file_that_can_not_be_used_names_the_flag(tmp_path):
    (tmp_path / "bare").write_text("secret\n")
    with pytest.raises(ConfigError, match=r"--token-file: .*line 1: .*hash-token") as raised:
        open_tokens("", tmp_path / "bare")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost", "unix:/run/a.sock"])
def test_loopback_needs_no_token(host):
    check_exposure(host, has_tokens=False, allow_anonymous=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", ""])
def test_beyond_loopback_needs_a_token_or_a_clear_wish(host):
    with pytest.raises(ConfigError, match="set --token-file or --tls-client-ca, or --allow-anonymous"):
        check_exposure(host, has_tokens=False, allow_anonymous=False)
    check_exposure(host, has_tokens=True, allow_anonymous=False)
    check_exposure(host, has_tokens=False, allow_anonymous=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "unix:/run/a.sock"])
def test_on_loopback_a_token_needs_no_tls(host):
    check_plaintext(host, has_tls=False, allow_plaintext_token=False)


def test_beyond_loopback_a_token_needs_tls_or_a_clear_wish():
    with pytest.raises(ConfigError, match="--tls-cert and --tls-key, or --allow-plaintext-token"):
        check_plaintext("0.0.0.0", has_tls=False, allow_plaintext_token=False)
    check_plaintext("0.0.0.0", has_tls=True, allow_plaintext_token=False)
    check_plaintext("0.0.0.0", has_tls=False, allow_plaintext_token=True)
