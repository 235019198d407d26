"""Accounts through the whole chain: one token file for both faces, the bridge known to the service as a peer."""

import json

import grpc
import pytest
import pytest_asyncio

from accounts.limits import Limits
from accounts.token_file import TokenFile
from accounts.tokens import Token, hash_token
from bridge.config import Config
from tests.support.running_bridge import running_bridge
from tests.support.running_service import MODEL, ask, config, error_info, run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKENS = (
    Token("acc", hash_token("mine"), "laptop"),
    Token("other", hash_token("yours"), "desk"),
    Token("acc", hash_token("few"), "Büro 2", limits=Limits(requests_per_minute=3)),
    Token("*", hash_token("inner"), "bridge"),
)
QUESTION = "What is it that I alone have asked through this bridge, and nobody else may learn?"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def both(chain_catalog, tmp_path_factory):
    """A bridge and the service behind it."""
    folder = tmp_path_factory.mktemp("accounts")
    (folder / "tokens").write_text("\n".join(map(str, TOKENS)))
    settings = config(chain_catalog, token_file=folder / "tokens", batch_db=str(folder / "batches.sqlite"))
    async with run_service(settings) as service:
        target = f"127.0.0.1:{service.service.port}"
        before = Config(service=target, service_token="inner", shutdown_grace_s=0.0)
        async with running_bridge(before, TokenFile(folder / "tokens")) as bridge:
            yield bridge, service


async def over_http(bridge, account, token, query="", **body):
    """Asks as an account."""
    path = f"/client/v4/accounts/{account}/ai/run/{MODEL}{query}"
    return await bridge.ask("POST", path, json=body, headers={"Authorization": f"Bearer {token}"})


async def cached_over_http(bridge, account, token):
    answer = await over_http(bridge, account, token, prompt=QUESTION, raw=True, max_tokens=1)
    return json.loads(answer.body)["result"]["usage"]["prompt_tokens_details"]["cached_tokens"]


async def test_accounts_share_no_prefix_and_the_faces_of_one_do(both):
    bridge, service = both
    assert await cached_over_http(bridge, "acc", "mine") == 0
    assert await cached_over_http(bridge, "other", "yours") == 0
    request = ask()
    request.prompt.text, request.prompt.raw, request.sampling_params.max_tokens = QUESTION, True, 1
    for token, is_cached in (("mine", True), ("yours", True), ("inner", False)):
        answer = await service.text_generation.Run(request, metadata=(("authorization", f"Bearer {token}"),))
        assert bool(answer.usage.cached_prompt_tokens) == is_cached


async def test_batches_of_others_are_not_there(both):
    bridge, _ = both
    taken = await over_http(bridge, "acc", "mine", "?queueRequest=true", requests=[{"prompt": "a", "max_tokens": 1}])
    sought = {"request_id": json.loads(taken.body)["result"]["request_id"]}
    assert (await over_http(bridge, "acc", "mine", **sought)).status == 200
    assert (await over_http(bridge, "other", "yours", **sought)).error[:2] == (400, 5006)
    assert (await over_http(bridge, "acc", "yours", **sought)).error[:2] == (403, 10000)


async def test_both_faces_count_for_one_limit(both):
    bridge, service = both
    for is_streamed, left in ((False, "2"), (True, "1")):
        answer = await over_http(bridge, "acc", "few", prompt="a", max_tokens=1, stream=is_streamed)
        assert (answer.status, answer.headers["x-ratelimit-remaining-requests"]) == (200, left)
    metadata = (("authorization", "Bearer few"),)
    await service.text_generation.Run(ask(max_tokens=1), metadata=metadata)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.text_generation.Run(ask(max_tokens=1), metadata=metadata)
    assert error_info(caught.value).reason == "RATE_LIMITED"
    refused = await over_http(bridge, "acc", "few", prompt="a", max_tokens=1)
    assert refused.error[:2] == (429, 3040)
    assert "the token 'Büro 2' has used up its 3 requests per minute" in refused.error[2]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (await over_http(bridge, "acc", "mine", prompt="a", max_tokens=1)).status == 200
