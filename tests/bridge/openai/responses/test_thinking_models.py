"""Responses of real models that think, through bridge and service."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bridge.config import Config
from tests.support.openai_asking import read_named_events, respond
from tests.support.reasoning import ANSWER, NUM_THINKING_TOKENS, TEMPLATES, THOUGHT, save_models
from tests.support.running_bridge import Bridge, running_bridge
from tests.support.running_service import config, run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")
GREEDY: dict[str, Any] = {"input": "hi", "temperature": 0, "max_output_tokens": 40}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def thinking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """A bridge to a service of models that think."""
    catalog = save_models(tmp_path_factory.mktemp("thinking"))
    models = tuple(f"@test/{name}" for name in TEMPLATES)
    async with run_service(config(catalog, models=models)) as service:
        target = f"127.0.0.1:{service.service.port}"
        async with running_bridge(Config(service=target, shutdown_grace_s=0.0)) as bridge:
            yield bridge


async def both(bridge: Bridge, name: str, **fields: Any) -> list[dict[str, Any]]:
    """The response whole, and the one that a stream ends with."""
    asked = {**GREEDY, "model": f"@test/{name}", **fields}
    events = read_named_events((await respond(bridge, **asked, stream=True)).body)
    return [json.loads((await respond(bridge, **asked)).body), events[-1][1]["response"]]


@pytest.mark.parametrize("name", TEMPLATES)
async def test_thinking_and_answer_are_items_with_the_answers_tokens(thinking: Bridge, name: str) -> None:
    for response in await both(thinking, name, include=["message.output_text.logprobs"]):
        thought, message = response["output"]
        (text,) = message["content"]
        assert (thought["content"][0]["text"], text["text"]) == (THOUGHT, ANSWER)
        assert response["usage"]["output_tokens_details"] == {"reasoning_tokens": NUM_THINKING_TOKENS[name]}
        assert "".join(entry["token"] for entry in text["logprobs"]).strip().startswith(ANSWER)


async def test_an_answer_that_is_cut_while_it_thinks_is_incomplete(thinking: Bridge) -> None:
    for response in await both(thinking, "r1", max_output_tokens=2):
        (thought,) = response["output"]
        assert (response["status"], thought["type"], thought["status"]) == ("incomplete", "reasoning", "incomplete")


async def test_no_effort_turns_thinking_off_and_another_is_told_by_its_field(thinking: Bridge) -> None:
    for response in await both(thinking, "qwen3", reasoning={"effort": "none"}):
        assert "reasoning" not in [item["type"] for item in response["output"]]
    answer = await respond(thinking, **{**GREEDY, "model": "@test/qwen3", "reasoning": {"effort": "high"}})
    assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, "reasoning.effort")


async def test_what_was_thought_can_be_sent_back(thinking: Bridge) -> None:
    first, _ = await both(thinking, "qwen3")
    user = {"role": "user", "content": "hi"}
    for response in await both(thinking, "qwen3", input=[user, *first["output"], user]):
        assert response["usage"]["input_tokens"] > first["usage"]["input_tokens"]
        assert response["status"] == "completed"
