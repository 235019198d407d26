"""Every field of OpenAI's, vLLM's and Workers AI's requests does what docs/compatibility.md says of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from cloudflare.types.ai import ai_run_params
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params
from runstream.v1 import text_generation_pb2 as pb

from bridge.openai.schema import CHAT_SCHEMA, COMPLETION_SCHEMA, WITHOUT_EFFECT
from bridge.validation import refused_fields
from bridge.workers_ai.schema import MESSAGES_SCHEMA, PROMPT_SCHEMA
from tests.support.fake_service import DEMO
from tests.support.openai_asking import IN_ACCOUNT, TIMES, V1

ROOT = Path(__file__).parents[3]
VLLM = json.loads((Path(__file__).parent / "vllm_requests.json").read_text())
VERDICTS = ("honoured", "refused", "accepted")

MESSAGES = {"messages": [{"role": "user", "content": "where is new york?"}]}
TOOLS = [{"type": "function", "function": {"name": "add"}}]
PROMPT = {"prompt": "New York is"}
# The surfaces, by the table's columns: each a path and a body that is right. OpenAI's are in two places.
SURFACES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "chat/completions": [(f"{base}/chat/completions", {"model": DEMO, **MESSAGES}) for base in (V1, IN_ACCOUNT)],
    "completions": [(f"{base}/completions", {"model": DEMO, **PROMPT}) for base in (V1, IN_ACCOUNT)],
    "ai/run": [(f"/client/v4/accounts/acc/ai/run/{DEMO}", MESSAGES)],
}

# A value of each field that asks for something; all others ask for what `True` or 1 asks for.
VALUES: dict[str, Any] = {
    "model": "@cf/meta/llama-3.1-8b-instruct",
    "messages": [{"role": "user", "content": "and old york?"}],
    "prompt": "Old York is",
    "tools": TOOLS,
    "tool_choice": "none",
    "seed": 5,
    "stop": ["a"],
    "top_k": 3,
    "top_p": 0.5,
    "min_p": 0.5,
    "temperature": 0.25,
    "n": 2,
    "best_of": 3,
    "logit_bias": {"5": 1},
    "response_format": {"type": "json_object"},
    "structured_outputs": {"regex": "a+"},
    "guided_json": {"type": "object"},
    "guided_regex": "a+",
    "guided_choice": ["a", "b"],
    "stop_token_ids": [5],
    "bad_words": ["York"],
    "allowed_token_ids": [5, 6],
    "cache_salt": "mine",
    "add_generation_prompt": False,
    "parallel_tool_calls": False,
    "stream_options": {"include_usage": True},
    "lora": "mine",
    "raw": {"chat/completions": True, "completions": False, "ai/run": True},
    "options": {"rejectIfBusy": True},
    "modalities": ["text", "audio"],
    "skip_special_tokens": False,
    "detokenize": False,
    "spaces_between_special_tokens": False,
    "add_special_tokens": {"chat/completions": True, "completions": False, "ai/run": True},
    "truncation_side": "right",
    "chat_template_kwargs": {"date_string": "today"},
    "include_reasoning": False,
    "typical_p": 0.5,
    "repeat_penalty": 1.5,
    "n_predict": 5,
    "reasoning_effort": "high",
    "request_id": "mine",
    "metadata": {"a": "b"},
}

# Those of which 1 is such a value.
NUMBERS = frozenset(
    {
        *("max_tokens", "max_completion_tokens", "min_tokens", "logprobs", "top_logprobs", "prompt_logprobs"),
        *("presence_penalty", "frequency_penalty", "repetition_penalty", "truncate_prompt_tokens", "priority"),
        *("length_penalty", "thinking_token_budget", "stream_interval"),
    }
)

# What some fields only say together with others.
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("tool_choice", "chat/completions"): {"tools": TOOLS},
    ("tool_choice", "ai/run"): {"tools": TOOLS},
    ("parallel_tool_calls", "chat/completions"): {"tools": TOOLS},
    ("top_logprobs", "chat/completions"): {"logprobs": True},
    ("return_tokens_as_token_ids", "chat/completions"): {"logprobs": True},
    ("return_tokens_as_token_ids", "completions"): {"logprobs": 1},
    ("stream_options", "chat/completions"): {"stream": True},
    ("stream_options", "completions"): {"stream": True},
}

# Values that ask for nothing where the field is refused.
HARMLESS: dict[str, list[Any]] = {
    "skip_special_tokens": [True],
    "detokenize": [True],
    "truncation_side": ["left"],
    "priority": [0],
    "typical_p": [0, 1, 1.0],
    "repeat_penalty": [1],
    "n_predict": [-1],
    "top_n_sigma": [-1],
    "best_of": [1],
    "modalities": [["text"]],
    "chat_template_kwargs": [{}],
    "include_reasoning": [True],
    "use_beam_search": [False],
    "return_token_ids": [False],
    "echo": [False],
    "dry_multiplier": [0, 0.0],
    "logits_processors": [[]],
    "documents": [[]],
    "vllm_xargs": [{}],
    "functions": [[]],
    "guided_grammar": [""],
}


def rows() -> Iterator[tuple[str, str, str]]:
    """Each field with a surface and what is said of it there."""
    text = (ROOT / "docs/compatibility.md").read_text()
    table = text.partition("## Every field of a request")[2].partition("\n## ")[0]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[1] in VERDICTS:
            for name in re.findall("`([^`]+)`", cells[0]):
                yield from ((name, surface, verdict) for surface, verdict in zip(SURFACES, cells[1:4], strict=True))


TABLE = list(rows())


def value_of(name: str, surface: str) -> Any:
    if (name, surface) == ("logprobs", "chat/completions"):
        return True
    value = VALUES.get(name, 1 if name in NUMBERS else True)
    return value[surface] if isinstance(value, dict) and surface in value else value


async def said(bridge, service, path: str, body: dict[str, Any]) -> tuple[int, list[pb.RunRequest], bytes]:
    """The status, what the service was asked, and the answer without its time."""
    service.requests.clear()
    answer = await bridge.ask("POST", path, json=body)
    return answer.status, list(service.requests), TIMES.sub(rb"\g<1>0", answer.body)


@pytest.fixture
def service(service):
    service.answer.logprobs.add(token=b"a", token_id=5, logprob=-1)
    service.answer.tool_calls.extend([pb.ToolCall(name="add", arguments_json="{}")] * 2)
    return service


@pytest.mark.parametrize(("name", "surface", "verdict"), TABLE)
async def test_a_field_does_what_the_table_says(bridge, service, name, surface, verdict):
    for path, body in SURFACES[surface]:
        if (name, surface) == ("prompt", "ai/run"):
            body = PROMPT
        without = {**body, **BESIDE.get((name, surface), {})}
        with_it = {**without, name: value_of(name, surface)}
        status, requests, answer = await said(bridge, service, path, with_it)
        if verdict == "refused":
            assert (status, requests) == (400, [])
            assert f"'/{name}".encode() in answer
        else:
            assert status == 200
            changed = (requests, answer) != (await said(bridge, service, path, without))[1:]
            assert changed == (verdict == "honoured")


@pytest.mark.parametrize(("name", "surface", "verdict"), TABLE)
async def test_a_null_is_a_field_that_is_not_there(bridge, service, name, surface, verdict):
    for path, body in SURFACES[surface]:
        if name not in body:
            assert await said(bridge, service, path, {**body, name: None}) == await said(bridge, service, path, body)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in HARMLESS.items() for value in values])
async def test_what_asks_for_nothing_is_accepted_and_changes_nothing(bridge, service, name, value):
    for path, body in (entry for entries in SURFACES.values() for entry in entries):
        assert await said(bridge, service, path, {**body, name: value}) == await said(bridge, service, path, body)


def test_the_table_has_every_field_that_clients_can_send():
    of_openai = [*get_args(chat_create_params.CompletionCreateParams)]
    of_openai += get_args(completion_create_params.CompletionCreateParams)
    of_workers_ai = [ai_run_params.Prompt, ai_run_params.Messages]
    names = {name for params in (*of_openai, *of_workers_ai) for name in get_type_hints(params)} - {"account_id"}
    names.update(*(VLLM[kind] for kind in ("chat/completions", "completions", "until_0_11")), WITHOUT_EFFECT)
    for schema in (PROMPT_SCHEMA, MESSAGES_SCHEMA, CHAT_SCHEMA, COMPLETION_SCHEMA):
        names.update(schema["properties"])
    names.update(refused_fields.CHAT, refused_fields.COMPLETION, refused_fields.NATIVE_PROMPT)
    assert {name for name, _, _ in TABLE} == names


def test_the_table_has_every_field_once():
    entries = [(name, surface) for name, surface, _ in TABLE]
    assert len(entries) == len(set(entries))
