"""Cloudflare's own SDKs, unmodified, with nothing but their base URL set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from scripts.real_clients import OLDER_SDK, OLDER_SDK_FOLDER, has_older_sdk
from tests.support.missing_tools import skip_or_fail

CHECKS = Path(__file__).parent / "cloudflare_checks.py"


def python_sdk(url, folder=""):
    """What the checks say with the installed SDK, or with the one in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, CHECKS, url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def newer(running_stack):
    """What came of each check with the Python SDK 5.9."""
    return python_sdk(running_stack.url)


@pytest.fixture(scope="module")
def older(running_stack):
    """The same with 4.3, which sends a model's slashes as they are."""
    if not has_older_sdk():
        skip_or_fail(f"{OLDER_SDK} is not installed: run `make setup-dev`")
    return python_sdk(running_stack.url, OLDER_SDK_FOLDER)


@pytest.fixture(scope="module")
def typescript(node, running_stack):
    """The same with the TypeScript SDK 7.3."""
    return node("cloudflare_checks.mjs", running_stack.url)


@pytest.fixture(params=["newer", "older", "typescript"])
def sdk(request):
    """What came of each check, with each SDK in turn."""
    return request.getfixturevalue(request.param)


def test_the_versions_are_those_that_the_tests_are_about(newer, older):
    assert (newer["version"], older["version"]) == ("5.9.0", "4.3.1")


def test_run_gives_the_result_out_of_its_envelope(sdk):
    assert "United States" in sdk["run"]["response"]
    assert sdk["run"]["tool_calls"] == []
    assert sdk["run"]["usage"]["total_tokens"] > sdk["run"]["usage"]["completion_tokens"] > 0


def test_a_stream_joined_is_the_whole_answer(sdk):
    lines = sdk["stream"] if isinstance(sdk["stream"], list) else sdk["stream"].strip().split("\n\n")
    *events, end = [line.removeprefix("data: ") for line in lines]
    assert end == "[DONE]"
    assert "".join(json.loads(event)["response"] for event in events) == sdk["run"]["response"]


def test_a_tool_is_called_with_an_object(sdk):
    assert sdk["call"]["response"] is None
    assert sdk["call"]["tool_calls"] == [{"name": "weather", "arguments": {"city": "Paris"}}]


def test_the_list_of_models_ends(sdk):
    assert "@cf/meta/llama-3.1-8b-instruct" in sdk["models"]
    assert len(sdk["models"]) == len(set(sdk["models"]))


def test_the_schema_of_a_model_is_a_json_schema(sdk):
    schema = sdk["schema"]["input"]
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid({"prompt": "hi"})
    assert not Draft202012Validator(schema).is_valid({"prompt": "hi", "top_k": 51})


@pytest.mark.parametrize(
    ("check", "name", "status", "code", "text"),
    [
        ("no model", "BadRequestError", 400, 5007, "No such model @cf/none or task"),
        ("bad input", "BadRequestError", 400, 5006, "'/top_k' must be <= 50"),
    ],
)
def test_a_refusal_is_raised_with_its_type_code_and_text(sdk, check, name, status, code, text):
    raised = sdk[check]
    assert (raised["class"], raised["status"], raised["code"]) == (name, status, code)
    assert text in raised["text"]


def test_a_lora_is_refused_as_such(newer):
    assert (newer["lora"]["status"], newer["lora"]["code"]) == (405, 5005)


def test_the_token_is_verified(newer, older):
    assert newer["verify"]["status"] == older["verify"]["status"] == "active"
