"""The limits of a token, as the bridge tells and remembers them."""

from contextlib import suppress

import grpc
import pytest

from accounts.limits import Limits
from accounts.tokens import Token, hash_token
from bridge.errors import AiError
from bridge.http.access_log import ACCESS, Access
from bridge.upstream.rate_limits import UsedUp
from tests.support.fake_service import failure
from tests.support.running_bridge import PROMPT

TOKENS = (
    Token("acc", hash_token("right"), "Büro 1", limits=Limits(requests_per_minute=2)),
    Token("acc", hash_token("other"), "phone"),
)
AUTHORIZATION = {"Authorization": "Bearer right"}
MESSAGES = {"model": "@runstream/demo", "messages": [{"role": "user", "content": "a"}]}
TOLD = (("x-ratelimit-limit-requests", "2"), ("x-ratelimit-remaining-requests", "0"))
LIMITED = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "it has used up its 2", retry_after_s=7)


@pytest.fixture
async def limited(start_bridge, service):
    """A bridge with tokens, before a service that tells of limits."""
    service.told = TOLD
    return await start_bridge(TOKENS)


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_answers_tell_the_limits_and_the_service_is_told_whose_they_are(limited, service, is_streamed):
    answer = await limited.run({**PROMPT, "stream": is_streamed}, headers=AUTHORIZATION)
    assert answer.status == 200
    assert {name: answer.headers[name] for name, _ in TOLD} == dict(TOLD)
    assert service.metadata["x-runstream-token"] == "B%C3%BCro%201"
    assert service.metadata["x-runstream-limits"] == "requests-per-minute=2"


async def test_a_refusal_has_cloudflares_code_and_when_to_ask_again(limited, service):
    service.status = LIMITED
    answer = await limited.run(PROMPT, headers=AUTHORIZATION)
    assert answer.error == (429, 3040, "AiError: AiError: it has used up its 2")
    assert (answer.headers["Retry-After"], answer.headers["x-ratelimit-remaining-requests"]) == ("7", "0")


@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses"])
async def test_openais_routes_say_it_in_their_words_and_refuse_again_unread(limited, service, path):
    service.status = LIMITED
    asked = {"chat/completions": MESSAGES, "responses": {"model": "m", "input": "a"}}
    for body in (asked.get(path, {"model": "m", "prompt": "a"}), {}):
        answer = await limited.ask("POST", f"/v1/{path}", json=body, headers=AUTHORIZATION)
        assert answer.status == 429
        assert b"rate_limit_exceeded" in answer.body
        assert answer.headers["x-ratelimit-limit-requests"] == "2"
    assert len(service.requests) == 1


async def test_another_token_of_the_account_is_not_refused(limited, service):
    service.status = LIMITED
    await limited.run(PROMPT, headers=AUTHORIZATION)
    service.status = None
    assert (await limited.run(PROMPT, headers={"Authorization": "Bearer other"})).status == 200


async def test_a_refusal_for_streams_at_the_same_time_is_not_remembered(limited, service):
    service.status, service.told = LIMITED, (("x-ratelimit-remaining-requests", "1"),)
    assert [(await limited.run(PROMPT, headers=AUTHORIZATION)).status for _ in range(2)] == [429, 429]
    assert len(service.requests) == 2


def asks(used_up, token, is_refused):
    """Asks by a token, which the service may refuse for 7 s; whether it was asked, and how long to wait."""
    http_request = {ACCESS: Access(account="acc", token=token)}
    try:
        used_up.check(http_request)
    except AiError as error:
        return False, error.retry_after_s
    if is_refused:
        with suppress(AiError), used_up.noted(http_request) as told:
            told.update(TOLD)
            raise AiError("RATE_LIMITED", "it has used up its 2", 7.0)
    return True, None


def test_a_token_is_refused_without_a_call_until_the_time_that_was_told():
    now_s = 0.0
    used_up = UsedUp(lambda: now_s)
    assert asks(used_up, "laptop", is_refused=True) == (True, None)
    now_s = 6.0
    assert asks(used_up, "laptop", is_refused=False) == (False, 1.0)
    assert asks(used_up, "phone", is_refused=False) == (True, None)
    now_s = 7.0
    assert asks(used_up, "laptop", is_refused=False) == (True, None)
    assert used_up.num_remembered == 0


def test_what_is_remembered_is_bounded():
    used_up = UsedUp(lambda: 0.0, max_remembered=3)
    for number in range(6):
        assert asks(used_up, str(number), is_refused=True) == (True, None)
    assert used_up.num_remembered == 3
    assert asks(used_up, "5", is_refused=True) == (False, 7.0)
