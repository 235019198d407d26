"""The Workers of Cloudflare's documentation, unmodified, in three runtimes before the real service."""

import asyncio
import json

import pytest
import requests

from accounts.tokens import Token, hash_token
from bridge.config import Config
from tests.support.running_bridge import running_bridge

STREAMED = ["/", "/worker-endpoint", "/env-ai"]
WHOLE = ["/whole", "/env-ai-whole"]


def answer_of(site, path):
    """What the Worker at a path answers, and the bytes that the bridge had answered it."""
    site.relay.forget()
    answer = requests.get(site.url + path, timeout=60)
    (said,) = site.relay.bodies
    return answer, said


@pytest.mark.parametrize("path", STREAMED)
def test_a_stream_has_the_bridges_bytes(relayed_site, path):
    answer, said = answer_of(relayed_site, path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    assert answer.content == said
    *events, done, rest = answer.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    texts = [json.loads(event.removeprefix("data: "))["response"] for event in events]
    assert len(texts) > 1
    assert ("United States" if path == "/worker-endpoint" else "Kernighan") in "".join(texts)


@pytest.mark.parametrize("path", WHOLE)
def test_a_whole_answer_has_the_bridges_bytes(relayed_site, path):
    answer, said = answer_of(relayed_site, path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.content == said
    assert "Kernighan" in answer.json()["response"]
    assert answer.json()["usage"]["completion_tokens"] > 5


@pytest.mark.parametrize("path", ["/streamed-of-none", "/whole-of-none"])
def test_a_wrong_model_throws_what_a_worker_at_cloudflare_gets(relayed_site, path):
    answer, said = answer_of(relayed_site, path)
    message = "5007: No such model @cf/none or task"
    thrown = {"name": "AiError", "message": message, "isError": True, "httpStatus": 400, "code": 5007}
    assert answer.json() == thrown
    assert json.loads(said)["internalCode"] == 5007


def ask(serve, url, token):
    """What the Worker with the package for whole answers says, before a bridge at an address."""
    with serve(url, token) as address:
        return requests.get(f"{address}/whole", timeout=60)


async def ask_with_a_token(serve, stack, token):
    """The same, before a bridge of this service that asks for the token "secret"."""
    tokens = (Token("acme", hash_token("secret"), "worker"),)
    async with running_bridge(Config(service=stack.service_address), tokens) as bridge:
        return await asyncio.to_thread(ask, serve, bridge.url, token)


async def test_the_bridge_is_shown_the_token(serve, running_stack):
    answer = await ask_with_a_token(serve, running_stack, "secret")
    assert answer.status_code == 200
    assert "Kernighan" in answer.json()["response"]


@pytest.mark.parametrize(
    ("token", "status", "code", "words"),
    [("wrong", 401, 10000, "Authentication error"), ("", 400, 10001, "Unable to authenticate request")],
)
async def test_a_token_that_is_wrong_or_missing_is_thrown(serve, running_stack, token, status, code, words):
    answer = await ask_with_a_token(serve, running_stack, token)
    thrown = {"name": "AiError", "message": f"{code}: {words}", "isError": True}
    assert answer.json() == {**thrown, "httpStatus": status, "code": code}
