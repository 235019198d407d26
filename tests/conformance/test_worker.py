"""`env.AI` of a Worker in Miniflare and in wrangler: alone, with two generations of @cloudflare/ai, with the AI SDK."""

import asyncio
import json
import re
from functools import partial
from typing import Any

import pytest
import requests
from aiohttp import web

from accounts.tokens import Token, hash_token
from bridge.config import Config
from scripts.real_clients import NODE_FOLDER
from tests.support.fake_service import DEMO, FakeService, running
from tests.support.running_bridge import running_bridge
from tests.support.wrangler import wrangler_dev, write_config

MODEL = "@cf/meta/llama-3.1-8b-instruct"
PROMPT = {"prompt": "where is new york?"}
GREEDY: dict[str, Any] = {**PROMPT, "temperature": 0}
CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["New York"]}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {**CITY, "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]}
NO_PARAMETERS = {"type": "object", "properties": {}}
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WITHOUT_THINKING = {"chat_template_kwargs": {"enable_thinking": False}, "reasoning_effort": "none"}

QUESTIONS: dict[str, dict[str, Any]] = {
    "run": {"check": "run", "inputs": GREEDY},
    "run with options": {
        "check": "run",
        "inputs": GREEDY,
        "options": {
            "gateway": {"id": "mine"},
            "rejectIfBusy": True,
            "prefix": "mine",
            "extraHeaders": {"x-extra": "1"},
            "sessionOptions": {"extraHeaders": {"x-session-affinity": "1"}},
        },
    },
    "run without thinking": {"check": "run", "inputs": {**GREEDY, **WITHOUT_THINKING}},
    "run with 1.2": {"check": "run", "client": "1.2", "inputs": GREEDY},
    "run with 1.1": {"check": "run", "client": "1.1", "inputs": GREEDY},
    "stream": {"check": "stream", "inputs": GREEDY},
    "stream with 1.2": {"check": "stream", "client": "1.2", "inputs": GREEDY},
    "stream with 1.1": {"check": "stream", "client": "1.1", "inputs": GREEDY},
    "leave": {"check": "leave", "inputs": GREEDY},
    "raw": {"check": "raw", "inputs": GREEDY},
    "raw error": {"check": "raw", "model": "@cf/none", "inputs": PROMPT},
    "absent": {"check": "absent"},
    "json": {"check": "run", "inputs": {**GREEDY, "response_format": {"type": "json_schema", "json_schema": CITY}}},
    "no model": {"check": "run", "model": "@cf/none", "inputs": PROMPT},
    "no model with 1.1": {"check": "run", "client": "1.1", "model": "@cf/none", "inputs": PROMPT},
    "bad input": {"check": "run", "inputs": {"prompt": "hi", "top_k": 51}},
    "bad input streamed": {"check": "stream", "inputs": {"prompt": "hi", "top_k": 51}},
    "batch": {"check": "batch", "inputs": [GREEDY, {**GREEDY, "external_reference": "second"}]},
    "models": {"check": "models", "inputs": {"search": "llama-3.1", "per_page": 2}},
    "generateText": {"check": "generateText", "inputs": GREEDY},
    "streamText": {"check": "streamText", "inputs": GREEDY},
    "generateText cut": {"check": "generateText", "inputs": {**GREEDY, "maxOutputTokens": 2}},
    "streamText cut": {"check": "streamText", "inputs": {**GREEDY, "maxOutputTokens": 2}},
    "generateObject": {"check": "generateObject", "inputs": GREEDY, "schema": CITY},
    "callTools": {"check": "callTools", "inputs": GREEDY, "schema": WEATHER},
}
RUNTIMES = ("miniflare", "wrangler")


def ask_miniflare(node, folder, url, token, questions):
    """What a Worker in Miniflare answers to each of some questions."""
    return node("env_ai.mjs", url, token, json.dumps(questions))


def ask_wrangler(node, folder, url, token, questions):
    """What a Worker in `wrangler dev` answers to each of some questions."""
    write_config(folder, NODE_FOLDER / "worker_checks.js")
    with wrangler_dev(folder, url, token) as address:
        answers = [requests.post(address, json=question, timeout=100) for question in questions]
    return [value_of(answer) for answer in answers]


def value_of(answer):
    """What a Worker answered: the value of its JSON, or its text."""
    return answer.json() if answer.headers.get("content-type") == "application/json" else answer.text


ASK = {"miniflare": ask_miniflare, "wrangler": ask_wrangler}


@pytest.fixture(params=RUNTIMES)
def ask(request, node, tmp_path):
    """Asks a Worker questions, of a bridge at an address, with a token."""
    return partial(ASK[request.param], node, tmp_path)


@pytest.fixture(scope="module", params=RUNTIMES)
def answers(request, node, running_stack, tmp_path_factory):
    """What came of each question; one workerd answers all."""
    questions = [{"model": MODEL, **question} for question in QUESTIONS.values()]
    folder = tmp_path_factory.mktemp("worker")
    return dict(zip(QUESTIONS, ASK[request.param](node, folder, running_stack.url, "", questions), strict=True))


def joined(stream):
    """The text of a stream of server-sent events that ends with [DONE]."""
    *events, end = [event.removeprefix("data: ") for event in stream.strip().split("\n\n")]
    assert end == "[DONE]"
    return "".join(json.loads(event)["response"] for event in events)


def test_run_gives_an_object_and_says_the_requests_id(answers):
    answer = answers["run"]
    assert "United States" in answer["result"]["response"]
    assert answer["result"]["usage"]["total_tokens"] > 0
    assert REQUEST_ID.fullmatch(answer["requestId"])
    assert (answer["status"], answer["logId"]) == (200, None)


@pytest.mark.parametrize("name", ["run with options", "run with 1.2", "run with 1.1"])
def test_every_way_to_run_gives_the_same_answer(answers, name):
    assert answers[name]["result"]["response"] == answers["run"]["result"]["response"]
    assert REQUEST_ID.fullmatch(answers[name]["requestId"])


def test_a_model_that_does_not_think_may_be_told_not_to(answers):
    result = answers["run without thinking"]["result"]
    assert result["response"] == answers["run"]["result"]["response"]
    assert "reasoning_content" not in result


@pytest.mark.parametrize("name", ["stream", "stream with 1.2", "stream with 1.1"])
def test_a_stream_joined_is_the_whole_answer(answers, name):
    assert joined(answers[name]) == answers["run"]["result"]["response"]


def test_a_worker_may_leave_a_stream(answers):
    assert answers["leave"]["first"].startswith('data: {"response":"')


def test_a_raw_response_has_the_content_type_that_workerd_compares(answers):
    raw = answers["raw"]
    assert (raw["isResponse"], raw["status"], raw["type"]) == (True, 200, "application/json")
    assert raw["body"]["response"] == answers["run"]["result"]["response"]


def test_a_raw_response_to_what_is_refused_is_no_error(answers):
    raw = answers["raw error"]
    assert (raw["isResponse"], raw["status"], raw["body"]["internalCode"]) == (True, 400, 5007)


def test_what_is_not_there_says_what_is(answers):
    assert len(answers["absent"]) > 5
    for call, told in answers["absent"].items():
        method = call.partition(".")[0]
        assert told == f"No route for that URI: env.AI.{method}() is not here, env.AI.run() and env.AI.models() are"


def test_json_mode_gives_an_object(answers):
    assert answers["json"]["result"]["response"] == {"city": "New York"}


def test_an_error_is_thrown_with_its_code(answers):
    thrown = {"name": "AiError", "message": "5007: No such model @cf/none or task", "internalStatus": 5007}
    assert answers["no model"] == thrown


def test_version_1_1_throws_the_flat_error_as_text(answers):
    thrown = answers["no model with 1.1"]
    assert thrown["name"] == "InferenceUpstreamError"
    assert json.loads(thrown["message"])["internalCode"] == 5007


@pytest.mark.parametrize("name", ["bad input", "bad input streamed"])
def test_what_is_wrong_with_the_inputs_is_thrown(answers, name):
    assert answers[name]["message"].startswith("5006: Error: oneOf at '/' not met, 0 matches: '/top_k' must be <= 50")
    assert answers[name]["internalStatus"] == 5006


def test_a_batch_is_queued_and_polled_until_it_has_its_responses(answers):
    queued, done = answers["batch"]["queued"], answers["batch"]["done"]
    assert (queued["status"], queued["model"]) == ("queued", MODEL)
    assert REQUEST_ID.fullmatch(queued["request_id"])
    texts = [response["result"]["response"] for response in done["responses"]]
    assert texts == [answers["run"]["result"]["response"]] * 2
    assert [response["external_reference"] for response in done["responses"]] == [None, "second"]


def test_models_are_listed(answers):
    names = [model["name"] for model in answers["models"]]
    assert len(names) == 2
    assert all("llama-3.1" in name for name in names)


def test_the_ai_sdk_generates_text(answers):
    assert answers["generateText"]["text"] == answers["run"]["result"]["response"]
    assert answers["generateText"]["usage"]["outputTokens"] > 0
    assert answers["generateText"]["finishReason"] == "stop"


def test_the_ai_sdk_streams_text(answers):
    assert "".join(answers["streamText"]["texts"]) == answers["run"]["result"]["response"]
    assert len(answers["streamText"]["texts"]) > 5
    assert answers["streamText"]["finishReason"] == "stop"


@pytest.mark.parametrize("name", ["generateText cut", "streamText cut"])
def test_the_ai_sdk_is_told_that_an_answer_is_cut(answers, name):
    assert answers[name]["finishReason"] == "length"


def test_the_ai_sdk_gets_an_object(answers):
    assert answers["generateObject"] == {"object": {"city": "New York"}}


def test_the_ai_sdk_calls_a_tool(answers):
    assert answers["callTools"] == {"input": {"city": "Paris"}, "output": "sunny", "finishReason": "tool-calls"}


@pytest.mark.parametrize(("token", "said"), [("secret", "New York"), ("wrong", "10000: Authentication error")])
async def test_a_worker_shows_the_token_that_its_configuration_names(ask, token, said):
    questions = [{"check": "run", "model": DEMO, "inputs": PROMPT}]
    tokens = (Token("acme", hash_token("secret"), "worker"),)
    fake = FakeService()
    async with running(fake), running_bridge(Config(service=fake.target), tokens) as bridge:
        (answer,) = await asyncio.to_thread(ask, bridge.url, token, questions)
    assert said in json.dumps(answer)


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_an_abort_signal_ends_the_services_work(ask, aiohttp_server_url, is_streamed):
    fake = FakeService()
    fake.gate.clear()

    async def started(request):
        await fake.started.wait()
        return web.Response()

    async with running(fake), running_bridge(Config(service=fake.target)) as bridge:
        inputs = {**PROMPT, "stream": is_streamed}
        question = {"check": "abort", "model": DEMO, "inputs": inputs, "started": await aiohttp_server_url(started)}
        (answer,) = await asyncio.to_thread(ask, bridge.url, "", [question])
        await asyncio.wait_for(fake.cancelled.wait(), 60)
    assert answer == {"name": "AbortError"}


@pytest.fixture
async def aiohttp_server_url():
    """Serves a handler on a free port of loopback; gives its address."""
    runners = []

    async def serve(handler):
        app = web.Application()
        app.router.add_get("/", handler)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runners[-1].addresses[0][1]}"

    yield serve
    for runner in runners:
        await runner.cleanup()
