"""Every field of a request for a response does what docs/compatibility.md says of it."""

import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from openai.types.responses import response_create_params
from runstream.v1 import text_generation_pb2 as pb

from bridge.openai.responses.schema import RESPONSES_SCHEMA
from bridge.openai.schema import WITHOUT_EFFECT
from bridge.validation import refused_fields
from tests.support.openai_asking import BASES, V1, respond
from tests.support.repository import ROOT

VERDICTS = ("honoured", "accepted", "refused")

# A value of each field that asks for something; all others ask for what `True` or 1 asks for.
VALUES: dict[str, Any] = {
    "model": "@cf/meta/llama-3.1-8b-instruct",
    "input": [{"role": "user", "content": "and old york?"}],
    "instructions": "Be kind.",
    "chat_template_kwargs": {"enable_thinking": False},
    "include_reasoning": False,
    "temperature": 0.25,
    "top_p": 0.5,
    "min_p": 0.5,
    "seed": 5,
    "stop": ["a"],
    "logit_bias": {"5": 1},
    **dict.fromkeys(("parallel_tool_calls", "skip_special_tokens", "detokenize"), False),
    "text": {"format": {"type": "json_object"}},
    "tools": [{"type": "function", "name": "add"}],
    "tool_choice": "none",
    "include": ["message.output_text.logprobs"],
    "truncation": "auto",
    "metadata": {"a": "b"},
    "reasoning": {"effort": "high"},
    "guided_json": {"type": "object"},
    "guided_regex": "a+",
    "guided_choice": ["a", "b"],
    "structured_outputs": {"regex": "a+"},
    "stop_token_ids": [5],
    "bad_words": ["York"],
    "allowed_token_ids": [5, 6],
    "n": 2,
    "best_of": 2,
    "add_generation_prompt": False,
    **dict.fromkeys(("user", "safety_identifier", "prompt_cache_key", "cache_salt", "lora"), "mine"),
}
# Those of which 1 is such a value.
NUMBERS = frozenset(
    {
        *("max_output_tokens", "max_tool_calls", "top_logprobs", "top_k", "min_tokens", "truncate_prompt_tokens"),
        *("presence_penalty", "frequency_penalty", "repetition_penalty"),
    }
)
# What some fields only say together with others.
BESIDE: dict[str, dict[str, Any]] = {
    "tool_choice": {"tools": VALUES["tools"]},
    "parallel_tool_calls": {"tools": VALUES["tools"]},
    "top_logprobs": {"include": VALUES["include"]},
}
HARMLESS: dict[str, list[Any]] = {
    "include_reasoning": [True],
    "store": [False],
    "background": [False],
    "n": [1],
    "best_of": [1],
    "add_generation_prompt": [True],
    "raw": [False],
    "context_management": [[]],
    "reasoning": [{}, {"effort": None}, {"mode": "standard", "context": "auto", "summary": "auto"}],
    "text": [{}, {"verbosity": "medium"}, {"format": {"type": "text"}}],
    "include": [[], ["reasoning.encrypted_content"]],
    "stream_options": [{"include_obfuscation": False}],
}
# What differs in any two answers.
OF_ONE_ANSWER = re.compile(rb"(resp|msg|fc)_[0-9a-f]+|(?<=_at\":)\d+|[0-9a-f]{8}-[0-9a-f-]{27}")


def rows() -> Iterator[tuple[str, str]]:
    """Each field with what is said of it."""
    table = (ROOT / "docs/compatibility.md").read_text().partition("\n## `responses`\n")[2].partition("\n## ")[0]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[1] in VERDICTS:
            yield from ((name, cells[1]) for name in re.findall("`([^`]+)`", cells[0]))


ELSEWHERE = dict.fromkeys(refused_fields.EVERYWHERE, "refused")
TABLE = {**ELSEWHERE, **dict(rows())}


@pytest.fixture
def service(service):
    """Says what is seen in an answer only if it is asked for."""
    service.model.context_window = service.model.max_prompt_tokens = 4096
    service.answer.logprobs.add(token=b"a", token_id=5, logprob=-1)
    service.answer.tool_calls.extend([pb.ToolCall(id="c", name="add", arguments_json="{}")] * 2)
    return service


async def said(bridge, service, base: str, **fields: Any) -> tuple[int, list[pb.RunRequest], bytes]:
    """The status, what the service was asked, and the answer without what no other has."""
    service.requests.clear()
    answer = await respond(bridge, base, **fields)
    return answer.status, list(service.requests), OF_ONE_ANSWER.sub(b"", answer.body)


@pytest.mark.parametrize(("name", "verdict"), TABLE.items())
async def test_a_field_does_what_the_table_says(bridge, service, name, verdict):
    value = VALUES.get(name, 1 if name in NUMBERS else True)
    beside = BESIDE.get(name, {})
    for base in BASES:
        status, requests, answer = await said(bridge, service, base, **{**beside, name: value})
        if verdict == "refused":
            assert (status, requests) == (400, [])
            assert f"'/{name}' is not supported".encode() in answer
        else:
            assert status == 200, answer
            changed = (requests, answer) != (await said(bridge, service, base, **beside))[1:]
            assert changed == (verdict == "honoured")


async def test_a_null_is_a_field_that_is_not_there(bridge, service):
    without = await said(bridge, service, V1)
    for name in TABLE.keys() - {"model", "input"}:
        assert await said(bridge, service, V1, **{name: None}) == without, name


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in HARMLESS.items() for value in values])
async def test_what_asks_for_nothing_is_accepted_and_is_not_sent_on(bridge, service, name, value):
    status, requests, _ = await said(bridge, service, V1, **{name: value})
    assert (status, requests) == (200, (await said(bridge, service, V1))[1])


def test_the_table_has_every_field_that_clients_can_send():
    names = set(get_type_hints(response_create_params.ResponseCreateParamsNonStreaming))
    names |= {*RESPONSES_SCHEMA["properties"], *refused_fields.RESPONSES, *WITHOUT_EFFECT}
    assert names - set(TABLE) == set()
    assert set(TABLE) - names <= {"options"}


def test_the_table_has_every_field_once():
    told = [name for name, _ in rows()]
    assert len(told) == len(set(told))
