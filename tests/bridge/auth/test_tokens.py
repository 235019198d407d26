"""Who gets an answer."""

import pytest
from multidict import CIMultiDict

from accounts.token_file import TokenFile
from accounts.tokens import Token, hash_token, read_time
from bridge.auth.tokens import check_account
from bridge.errors import GatewayError
from tests.support.running_bridge import PROMPT

TOKENS = (Token("acc", hash_token("right"), "laptop"), Token("other", hash_token("others"), "desk"))


@pytest.fixture
async def guarded(start_bridge):
    """A bridge that asks for tokens."""
    return await start_bridge(tokens=TOKENS)


@pytest.mark.parametrize("authorization", ["Bearer right", "bearer right", "Bearer  right "])
async def test_the_accounts_token_is_let_in(guarded, authorization):
    assert (await guarded.run(PROMPT, headers={"Authorization": authorization})).status == 200


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, (400, 10001, "Unable to authenticate request")),
        ({"Authorization": "Basic right"}, (400, 10001, "Unable to authenticate request")),
        ({"Authorization": "Bearer "}, (400, 10001, "Unable to authenticate request")),
        ({"Authorization": "Bearer wrong"}, (401, 10000, "Authentication error")),
        ({"Authorization": "Bearer räight"}, (401, 10000, "Authentication error")),
        ({"Authorization": "Bearer others"}, (403, 10000, "Authentication error")),
    ],
)
async def test_others_are_told_why_not(guarded, service, headers, error):
    assert (await guarded.run(PROMPT, headers=headers)).error == error
    assert not service.requests


async def test_the_refusal_is_cloudflares_to_the_byte(guarded):
    answer = await guarded.run(PROMPT, headers={"Authorization": "Bearer wrong"})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == (
        b'{"result":null,"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"messages":[]}'
    )


@pytest.mark.parametrize("path", ["/client/v4/accounts/acc/ai/run/m", "/v1/completions", "/run?version=3"])
@pytest.mark.parametrize("values", [["Bearer right"] * 2, ["Bearer right", "Bearer wrong"], ["", "Bearer right"]])
async def test_two_tokens_are_refused_on_every_face(guarded, service, path, values):
    headers = CIMultiDict([("Authorization", value) for value in values])
    answer = await guarded.ask("POST", path, json=PROMPT, headers=headers)
    assert answer.status == 400
    assert b"2 Authorization headers, send one" in answer.body
    assert not service.requests


async def test_two_tokens_are_refused_where_nobody_needs_one(bridge):
    headers = CIMultiDict([("Authorization", "Bearer a"), ("Authorization", "Bearer b")])
    assert (await bridge.run(PROMPT, headers=headers)).error[:2] == (400, 6003)


async def test_without_tokens_nobody_needs_one(bridge):
    assert (await bridge.run(PROMPT, headers={"Authorization": "Bearer anything"})).status == 200


async def test_an_account_that_no_account_can_have_is_7003(bridge):
    answer = await bridge.ask("POST", "/client/v4/accounts/a%20b/ai/run/m", json=PROMPT)
    message = "Could not route to /client/v4/accounts/a b/ai/run/m, perhaps your object identifier is invalid?"
    assert answer.error == (404, 7003, message)


async def test_the_account_of_copied_examples_is_an_account(bridge, service):
    assert (await bridge.ask("POST", "/client/v4/accounts/{account_id}/ai/run/m", json=PROMPT)).status == 200
    assert service.metadata["x-runstream-account"] == "{account_id}"


async def test_a_token_with_a_line_for_each_of_two_accounts_is_good_for_both(start_bridge, service):
    tokens = (*TOKENS, Token("second", TOKENS[0].sha256, "laptop too"), Token("acc", TOKENS[1].sha256, "desk too"))
    bridge = await start_bridge(tokens)
    for account, sent in [("acc", "right"), ("second", "right"), ("other", "others"), ("acc", "others")]:
        path = f"/client/v4/accounts/{account}/ai/run/m"
        answer = await bridge.ask("POST", path, json=PROMPT, headers={"Authorization": f"Bearer {sent}"})
        assert answer.status == 200
        assert service.metadata["x-runstream-account"] == account
    answer = await bridge.ask("POST", "/client/v4/accounts/second/ai/run/m", headers={"Authorization": "Bearer others"})
    assert answer.error[:2] == (403, 10000)


@pytest.mark.parametrize("path", ["/client/v4/accounts/acc/ai/run/m", "/v1/completions", "/run?version=3"])
async def test_an_expired_token_is_told_so_by_every_face_and_another_is_not(start_bridge, service, path):
    expired = Token("acc", hash_token("old"), "old", read_time("2026-11-30T00:00:00Z"))
    bridge = await start_bridge((expired, *TOKENS))
    for sent, is_told in (("old", True), ("wrong", False)):
        answer = await bridge.ask("POST", path, json=PROMPT, headers={"Authorization": f"Bearer {sent}"})
        assert (answer.status, b"expired at 2026-11-30T00:00:00Z" in answer.body) == (401, is_told)
    assert not service.requests


async def test_a_peers_token_acts_for_each_account_that_a_path_names(start_bridge, service):
    bridge = await start_bridge((Token("*", hash_token("peers"), "gateway"),))
    for path, account in (("/client/v4/accounts/acc/ai/run/m", "acc"), ("/v1/completions", "local")):
        body, headers = {**PROMPT, "model": "m"}, {"Authorization": "Bearer peers"}
        answer = await bridge.ask("POST", path, json=body, headers=headers)
        assert (answer.status, service.metadata["x-runstream-account"]) == (200, account)


async def test_a_token_that_is_revoked_is_refused_on_an_open_connection_whose_stream_goes_on(
    start_bridge, service, tmp_path
):
    path = tmp_path / "tokens"
    path.write_text("\n".join(map(str, TOKENS)))
    bridge = await start_bridge(TokenFile(path, look_every_s=0.0))
    headers = {"Authorization": "Bearer right"}
    service.gate.clear()
    async with bridge.http.post(bridge.run_url, json={**PROMPT, "stream": True}, headers=headers) as stream:
        assert b"New" in await stream.content.readline()
        path.write_text(str(TOKENS[1]))
        assert (await bridge.run(PROMPT, headers=headers)).error == (401, 10000, "Authentication error")
        service.gate.set()
        assert b"[DONE]" in await stream.content.read()


@pytest.mark.parametrize("account", ["a", "a" * 128, "...", "a.b", "{account_id}"])
def test_what_an_account_can_be_is_one(account):
    check_account(account, "/path")


@pytest.mark.parametrize("account", ["", "a" * 129, ".", "..", "*", "a b", "é", "a\n", "\x7f"])
def test_what_no_account_can_be_is_none(account):
    with pytest.raises(GatewayError, match="7003"):
        check_account(account, "/path")
