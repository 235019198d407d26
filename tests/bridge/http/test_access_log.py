"""What the log says about a request."""

import logging

import grpc
import pytest
from aiohttp.http import HttpProcessingError
from aiohttp.web import RequestPayloadError

from accounts.tokens import Token, hash_token
from bridge.http.access_log import ClientMistakes
from tests.support.fake_service import DEMO, failure
from tests.support.running_bridge import PROMPT

MESSAGES = [{"role": "user", "content": "x"}]
FAILURES = [
    failure(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "m" * 5_000),
    failure(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", "m" * 5_000),
    failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "m" * 5_000),
    failure(grpc.StatusCode.UNKNOWN, message="m" * 5_000),
]


@pytest.fixture
def lines(caplog):
    """The access log's lines."""
    caplog.set_level(logging.INFO, logger="bridge.http.access_log")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "bridge.http.access_log"]


async def test_a_request_is_one_line_with_the_id_that_its_answer_has(bridge, lines):
    answer = await bridge.run(PROMPT)
    (line,) = lines()
    assert line.startswith(
        f"request id='{answer.headers['cf-ai-req-id']}' method='POST' "
        "path='/client/v4/accounts/acc/ai/run/@runstream/demo' status=200 duration_s=0."
    )
    assert "account='acc' token='' model='@runstream/demo' served_model='@runstream/demo' prompt_tokens=7 " in line
    assert line.endswith("cached_prompt_tokens=2 completion_tokens=3 finish_reason='stop' error=''")


async def test_a_failure_says_why_in_the_log_and_not_in_the_answer(bridge, service, lines, caplog):
    service.status = failure(grpc.StatusCode.UNKNOWN, message="secret path")
    answer = await bridge.run(PROMPT)
    assert b"secret" not in answer.body
    assert "secret" not in caplog.text
    assert "the service failed: UNKNOWN" in caplog.text
    assert "error='INTERNAL: internal error'" in lines()[0]


async def test_what_a_client_sends_forges_no_line(bridge, lines):
    await bridge.ask("POST", "/client/v4/accounts/acc/ai/run/x%0Aforged", json=PROMPT)
    (line,) = lines()
    assert "\n" not in line


async def test_no_prompt_and_no_token_is_logged(bridge, caplog):
    caplog.set_level(logging.DEBUG)
    await bridge.run({"prompt": "my secret"}, headers={"Authorization": "Bearer mine"})
    assert "my secret" not in caplog.text
    assert "mine" not in caplog.text


LONG = "m" * 6_000
RUN = f"/client/v4/accounts/acc/ai/run/{DEMO}"
CHOSEN = {
    "a path": ("POST", f"/{LONG}", {}, {}),
    "an account": ("POST", f"/client/v4/accounts/{LONG}/ai/run/m", {}, {}),
    "a model in the path": ("POST", f"/client/v4/accounts/acc/ai/run/{LONG}", {}, PROMPT),
    "a model in the body": ("POST", "/v1/chat/completions", {}, {"model": LONG * 10, "messages": MESSAGES}),
    "a model in a header": ("POST", "/run?version=3", {"cf-consn-model-id": LONG}, {"inputs": PROMPT}),
    "a role": ("POST", RUN, {}, {"messages": [{"role": LONG * 100, "content": "x"}]}),
    "a batch's id": ("POST", RUN, {}, {"request_id": LONG * 10}),
    "a name": ("POST", RUN, {}, {**PROMPT, LONG * 10: 1}),
    "a query": ("GET", f"/client/v4/accounts/acc/ai/models/search?search={LONG}", {}, {}),
    "a host": ("GET", "/v1/models", {"Host": LONG}, {}),
    "an origin": ("GET", "/v1/models", {"Origin": LONG}, {}),
    "a token": ("GET", "/v1/models", {"Authorization": f"Bearer {LONG}"}, {}),
    "a user agent": ("GET", "/v1/models", {"User-Agent": LONG}, {}),
    "a forwarded address": ("POST", "/client/v4/accounts/acc/ai/run/proxy", {"x-forwarded": LONG}, {}),
}


@pytest.mark.parametrize(("method", "path", "headers", "body"), CHOSEN.values(), ids=CHOSEN)
@pytest.mark.parametrize("status", [None, *FAILURES])
async def test_nothing_that_a_client_chose_makes_a_long_line(
    bridge, service, caplog, status, method, path, headers, body
):
    caplog.set_level(logging.INFO)
    service.status = status
    await bridge.ask(method, path, headers=headers, json=body)
    assert caplog.records
    assert not [record for record in caplog.records if "m" * 201 in record.getMessage()]


async def test_what_is_left_out_of_a_long_value_is_counted(bridge, lines):
    await bridge.ask("POST", f"/client/v4/accounts/acc/ai/run/{LONG}", json=PROMPT)
    assert f"model='{'m' * 200}… and 5800 characters more'" in lines()[0]


@pytest.mark.parametrize("reason", ["INVALID_REQUEST", "FORMAT_UNSATISFIABLE"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_that_quotes_a_prompt_is_logged_by_its_kind_and_field(bridge, service, lines, reason, stream):
    message = "conversation.messages[0].role is 'my secret'"
    field = "conversation.messages[0].role"
    service.status = failure(grpc.StatusCode.INVALID_ARGUMENT, reason, message, field=field)
    service.parts = []
    answer = await bridge.run({**PROMPT, "stream": stream})
    assert b"my secret" in answer.body
    assert lines()[0].endswith(f"error='{reason} at /messages/0/role'")


async def test_an_error_of_the_bridges_own_is_logged_by_its_kind_and_field(bridge, lines):
    answer = await bridge.run({"prompt": 7})
    assert b"'/prompt'" in answer.body
    assert lines()[0].endswith("error='INVALID_REQUEST at /prompt'")


async def test_the_tokens_name_is_logged_with_and_without_an_account_in_the_path(start_bridge, lines):
    bridge = await start_bridge((Token("acc", hash_token("right"), "laptop"),))
    headers = {"Authorization": "Bearer right"}
    await bridge.run(PROMPT, headers=headers)
    await bridge.ask("GET", "/v1/models", headers=headers)
    assert ["account='acc' token='laptop'" in line for line in lines()] == [True, True]


@pytest.mark.parametrize("mistake", [HttpProcessingError(message="garbage"), RequestPayloadError("cut")])
def test_bytes_that_are_not_http_leave_no_traceback(mistake):
    failure = ValueError("ours")
    assert not ClientMistakes().filter(record_of(mistake))
    assert ClientMistakes().filter(record_of(failure))


def record_of(error: Exception) -> logging.LogRecord:
    """A record such as aiohttp writes."""
    return logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "Error", None, (type(error), error, None))
