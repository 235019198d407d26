"""`env.AI` in a local Worker on the real workerd: alone, under two generations of @cloudflare/ai, under the AI SDK."""

import asyncio
import json
import re
from typing import Any

import pytest

from bridge.auth import Token, hash_token
from bridge.config import Config
from tests.bridge.fake_service import DEMO, FakeService, running
from tests.bridge.running_bridge import running_bridge

MODEL = "@cf/meta/llama-3.1-8b-instruct"
PROMPT = {"prompt": "where is new york?"}
GREEDY: dict[str, Any] = {**PROMPT, "temperature": 0}
CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["New York"]}},
    "required": ["city"],
    "additionalProperties": False,
}
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

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
        },
    },
    "run with 1.2": {"check": "run", "client": "1.2", "inputs": GREEDY},
    "run with 1.1": {"check": "run", "client": "1.1", "inputs": GREEDY},
    "stream": {"check": "stream", "inputs": GREEDY},
    "stream with 1.2": {"check": "stream", "client": "1.2", "inputs": GREEDY},
    "stream with 1.1": {"check": "stream", "client": "1.1", "inputs": GREEDY},
    "leave": {"check": "leave", "inputs": GREEDY},
    "raw": {"check": "raw", "inputs": GREEDY},
    "json": {"check": "run", "inputs": {**GREEDY, "response_format": {"type": "json_schema", "json_schema": CITY}}},
    "no model": {"check": "run", "model": "@cf/none", "inputs": PROMPT},
    "no model with 1.1": {"check": "run", "client": "1.1", "model": "@cf/none", "inputs": PROMPT},
    "bad input": {"check": "run", "inputs": {"prompt": "hi", "top_k": 51}},
    "bad input streamed": {"check": "stream", "inputs": {"prompt": "hi", "top_k": 51}},
    "batch": {"check": "batch", "inputs": [GREEDY, {**GREEDY, "external_reference": "second"}]},
    "models": {"check": "models", "inputs": {"search": "llama-3.1", "per_page": 10}},
    "generateText": {"check": "generateText", "inputs": GREEDY},
    "streamText": {"check": "streamText", "inputs": GREEDY},
}


@pytest.fixture(scope="module")
def answers(node, running_stack):
    """What came of each question; one workerd answers all."""
    questions = [{"model": MODEL, **question} for question in QUESTIONS.values()]
    return dict(zip(QUESTIONS, node("env_ai.mjs", running_stack.url, "", json.dumps(questions)), strict=True))


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
    assert answer["status"] == 200


@pytest.mark.parametrize("name", ["run with options", "run with 1.2", "run with 1.1"])
def test_every_way_to_run_gives_the_same_answer(answers, name):
    assert answers[name]["result"]["response"] == answers["run"]["result"]["response"]
    assert REQUEST_ID.fullmatch(answers[name]["requestId"])


@pytest.mark.parametrize("name", ["stream", "stream with 1.2", "stream with 1.1"])
def test_a_stream_joined_is_the_whole_answer(answers, name):
    assert joined(answers[name]) == answers["run"]["result"]["response"]


def test_a_worker_may_leave_a_stream(answers):
    assert answers["leave"]["first"].startswith('data: {"response":"')


def test_a_raw_response_has_the_content_type_that_workerd_compares(answers):
    assert (answers["raw"]["status"], answers["raw"]["type"]) == (200, "application/json")
    assert answers["raw"]["body"]["response"] == answers["run"]["result"]["response"]


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
    assert [model["name"] for model in answers["models"]] == [MODEL]


def test_the_ai_sdk_generates_text(answers):
    assert answers["generateText"]["text"] == answers["run"]["result"]["response"]
    assert answers["generateText"]["usage"]["outputTokens"] > 0


def test_the_ai_sdk_streams_text(answers):
    assert "".join(answers["streamText"]["texts"]) == answers["run"]["result"]["response"]
    assert len(answers["streamText"]["texts"]) > 5


@pytest.mark.parametrize(("token", "said"), [("secret", "New York"), ("wrong", "10000: Authentication error")])
async def test_workerd_shows_the_token_that_its_configuration_injects(node, token, said):
    question = json.dumps([{"check": "run", "model": DEMO, "inputs": PROMPT}])
    tokens = (Token("acme", hash_token("secret"), "worker"),)
    fake = FakeService()
    async with running(fake), running_bridge(Config(service=fake.target), tokens) as bridge:
        (answer,) = await asyncio.to_thread(node, "env_ai.mjs", bridge.url, token, question)
    assert said in json.dumps(answer)
