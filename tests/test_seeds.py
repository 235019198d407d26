"""Every request of Cloudflare's documentation works as it stands there, apart from the host.

Its Workers, and the pages that show their streams, are tested in tests/clients/worker.
"""

import json
import subprocess
import sys

import pytest
import requests

from scripts.real_clients import NODE
from tests.support import seeds


def output_of(*command):
    """Runs a command as a reader of the documentation does; returns what it prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout


def joined(stream):
    """The text of a stream of server-sent events; fails unless it ends with [DONE] and nothing after it."""
    *events, end = [event.removeprefix("data: ") for event in stream.strip().split("\n\n")]
    assert end == "[DONE]"
    return "".join(json.loads(event)["response"] for event in events)


@pytest.fixture(scope="module")
def url(running_stack):
    """Where the bridge answers."""
    return running_stack.url


def ask(url, **inputs):
    """Posts inputs to the model; returns the response."""
    return requests.post(f"{url}/client/v4/accounts/me/ai/run/{seeds.MODEL}", json=inputs, timeout=100)


def test_curl_with_messages(url):
    answer = json.loads(output_of("bash", "-c", seeds.at(url, seeds.CURL_MESSAGES)))
    assert answer["success"] is True
    assert answer["errors"] == []
    assert "pizza" in answer["result"]["response"].lower()


def test_curl_with_messages_and_stream(url):
    assert "pizza" in joined(output_of("bash", "-c", seeds.at(url, seeds.CURL_MESSAGES_STREAM))).lower()


@pytest.mark.parametrize("example", [seeds.CURL_PROMPT_STREAM, seeds.CURL_PROMPT_STREAM_OF_THE_BLOG])
def test_curl_with_prompt_and_stream(url, example):
    stream = output_of("bash", "-c", seeds.at(url, example))
    assert stream.startswith('data: {"response":"')
    assert "United States" in joined(stream)


def test_python_with_requests(url):
    answer = output_of(sys.executable, "-c", seeds.at(url, seeds.PYTHON))
    assert "'success': True" in answer
    assert "'response': '" in answer or "'response': \"" in answer


def test_fetch_in_node(url):
    answer = json.loads(output_of(NODE, "-e", seeds.at(url, seeds.FETCH)))
    assert answer["success"] is True
    assert len(answer["result"]["response"].split()) > 10


def test_a_stream_joined_is_the_json_answer_for_the_same_seed(url):
    inputs = {"prompt": "Tell me a story", "seed": 7, "temperature": 1}
    whole = ask(url, **inputs).json()["result"]["response"]
    assert joined(ask(url, **inputs, stream=True).content.decode()) == whole
    assert len(whole.split()) > 10


@pytest.mark.parametrize(
    ("prompt", "fact"),
    [
        ("where is new york?", "United States"),
        ("What is the origin of the phrase Hello, World", "Kernighan"),
        ("Why is pizza so good?", "cheese"),
        ("tell me a joke about cloudflare", "Cloudflare"),
    ],
)
@pytest.mark.parametrize("system", [None, "You are a friendly assistant"])
def test_the_demo_model_answers_the_documentations_questions(url, prompt, fact, system):
    before = [{"role": "system", "content": system}] if system else []
    messages = [*before, {"role": "user", "content": prompt}]
    assert fact in ask(url, messages=messages, temperature=0).json()["result"]["response"]


def test_the_answer_says_which_model_stood_in(url):
    answer = ask(url, prompt="where is new york?")
    assert answer.headers["x-runstream-model"] == "@runstream/demo"
    assert "@runstream/demo" in answer.json()["messages"][0]["message"]
