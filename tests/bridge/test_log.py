"""What the log says about a request."""

import logging

import grpc
import pytest
from aiohttp.http import HttpProcessingError

from bridge.access import ClientMistakes
from tests.bridge.fake_service import failure
from tests.bridge.running_bridge import PROMPT


@pytest.fixture
def lines(caplog):
    """The access log's lines."""
    caplog.set_level(logging.INFO, logger="bridge.access")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "bridge.access"]


async def test_a_request_is_one_line_with_the_id_that_its_answer_has(bridge, lines):
    answer = await bridge.run(PROMPT)
    (line,) = lines()
    assert line.startswith(
        f"{answer.headers['cf-ai-req-id']} POST '/client/v4/accounts/acc/ai/run/@runstream/demo' 200 "
    )
    assert " 200 " in line
    assert "account='acc' token='' model='@runstream/demo' served_model='@runstream/demo' error=''" in line


async def test_a_failure_says_why_in_the_log_and_not_in_the_answer(bridge, service, lines, caplog):
    service.status = failure(grpc.StatusCode.UNKNOWN, message="secret path")
    answer = await bridge.run(PROMPT)
    assert b"secret" not in answer.body
    assert "secret path" in caplog.text
    assert "error='INTERNAL" in lines()[0]


async def test_what_a_client_sends_forges_no_line(bridge, lines):
    await bridge.ask("POST", "/client/v4/accounts/acc/ai/run/x%0Aforged", json=PROMPT)
    (line,) = lines()
    assert "\n" not in line


async def test_no_prompt_and_no_token_is_logged(bridge, caplog):
    caplog.set_level(logging.DEBUG)
    await bridge.run({"prompt": "my secret"}, headers={"Authorization": "Bearer mine"})
    assert "my secret" not in caplog.text
    assert "mine" not in caplog.text


def test_bytes_that_are_not_http_leave_no_traceback():
    mistake, failure = HttpProcessingError(message="garbage"), ValueError("ours")
    assert not ClientMistakes().filter(record_of(mistake))
    assert ClientMistakes().filter(record_of(failure))


def record_of(error: Exception) -> logging.LogRecord:
    """A record such as aiohttp writes."""
    return logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "Error", None, (type(error), error, None))
