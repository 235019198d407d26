"""Wherever in a body a client writes its prompt, no log has it."""

import copy
import logging

import pytest

from tests.support.running_service import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "my_dear_doctor"

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PARAMETERS = {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}, "required": ["a"]}
BODY = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "t", "tool_call_id": "1", "name": "f"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": PARAMETERS}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "stop": ["z"],
    "logit_bias": {"1": 0},
    "max_tokens": 1,
    "temperature": 0,
}
FORMATTED = {
    "messages": [{"role": "user", "content": "u"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": PARAMETERS}},
    "max_tokens": 1,
}


def places(value, path=()):
    """The path of everything in a value, of the value itself first."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def with_secret(body, path, what):
    """A copy of a body with the secret as the value, or among the values, or as a name, at a place."""
    changed = copy.deepcopy(body)
    at = changed
    for step in path[:-1]:
        at = at[step]
    if what == "name":
        at[SECRET] = at.pop(path[-1]) if isinstance(at, dict) else SECRET
    else:
        at[path[-1]] = {"value": SECRET, "list": [SECRET], "object": {SECRET: SECRET}}[what]
    return changed


BODIES = [
    with_secret(body, path, what)
    for body in (BODY, FORMATTED)
    for path in places(body)
    for what in ("value", "list", "object", "name")
    if path and (what != "name" or isinstance(path[-1], str))
]


@pytest.mark.parametrize("path", [f"/client/v4/accounts/acc/ai/run/{MODEL}", "/v1/chat/completions"])
async def test_no_log_has_a_prompt_wherever_it_stands_in_a_body(chain, caplog, path):
    caplog.set_level(logging.INFO)
    statuses = set()
    for body in BODIES:
        answer = await chain.bridge.ask("POST", path, json={"model": MODEL, **body})
        statuses.add(answer.status)
        assert SECRET not in caplog.text, body
        caplog.clear()
    assert {200, 400} <= statuses


async def test_the_client_is_told_what_the_log_is_not(chain, caplog):
    caplog.set_level(logging.INFO)
    schema = {"type": "json_schema", "json_schema": {"type": SECRET}}
    answer = await chain.ask(prompt="x", response_format=schema)
    assert answer.status == 400
    assert SECRET in answer.body.decode()
    assert caplog.text.count("FORMAT_UNSATISFIABLE at") == 2


@pytest.mark.parametrize("role", ["m" * 1_000_000, "m" * 66_000])
async def test_a_role_of_any_length_is_a_short_line_in_both_logs(chain, caplog, role):
    caplog.set_level(logging.INFO)
    assert (await chain.ask(messages=[{"role": role, "content": "x"}])).status == 400
    assert max(len(record.getMessage()) for record in caplog.records) < 2_000
