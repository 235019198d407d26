"""Wherever in a body a client writes its prompt, no log has it."""

import logging

import pytest

from tests.support.running_service import MODEL
from tests.support.secret_places import BODIES, SECRET

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
