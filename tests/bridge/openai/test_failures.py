"""Failures on OpenAI's routes: OpenAI's shape at /v1, Cloudflare's below an account, one shape in streams."""

import json

import grpc
import pytest

from accounts.tokens import Token, hash_token
from bridge.errors import RULES
from tests.support.fake_service import failure, part
from tests.support.openai_asking import BASES, CHAT, IN_ACCOUNT, V1, chat, error_of

TOKEN = Token("acc", hash_token("secret"), "laptop")
INVALID = "invalid_request_error"
EXPECTED = {
    "INVALID_REQUEST": (400, INVALID, None),
    "LORA_UNSUPPORTED": (400, INVALID, "unsupported_parameter"),
    "MODEL_NOT_FOUND": (404, INVALID, "model_not_found"),
    "WEIGHTS_MISSING": (404, INVALID, "model_not_found"),
    "CONTEXT_WINDOW_EXCEEDED": (400, INVALID, "context_length_exceeded"),
    "FORMAT_UNSATISFIABLE": (400, INVALID, None),
    "TOOL_CALL_CUT": (400, INVALID, None),
    "QUEUE_FULL": (429, "rate_limit_error", "rate_limit_exceeded"),
    "MODEL_NOT_READY": (503, "server_error", "service_unavailable"),
    "DEADLINE_EXCEEDED": (408, "server_error", "timeout"),
    "ENGINE_FAILED": (500, "server_error", None),
    "INTERNAL": (500, "server_error", None),
}


@pytest.mark.parametrize("reason", EXPECTED)
async def test_each_reason_has_openais_status_type_and_code(bridge, service, reason):
    service.status = failure(grpc.StatusCode.UNKNOWN, reason, "why")
    answer = await chat(bridge)
    status, error = error_of(answer)
    assert (status, error["type"], error["code"]) == EXPECTED[reason]
    assert answer.headers.get("x-should-retry") == (None if RULES[reason].is_retryable else "false")
    assert ("Retry-After" in answer.headers) == (status in (429, 503))


@pytest.mark.parametrize("reason", EXPECTED)
async def test_below_an_account_failures_are_those_of_the_native_route(bridge, service, reason):
    service.status = failure(grpc.StatusCode.UNKNOWN, reason, "why")
    answer = await chat(bridge, IN_ACCOUNT)
    assert answer.error[:2] == (RULES[reason].status, RULES[reason].code)


@pytest.mark.parametrize("base", BASES)
async def test_a_stream_that_has_begun_ends_with_openais_error_and_without_done(bridge, service, base):
    service.parts = [part("New")]
    service.status = failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "The engine failed.")
    answer = await chat(bridge, base, stream=True)
    assert answer.status == 200
    _, event, rest = answer.body.split(b"\n\n")
    assert json.loads(event.removeprefix(b"data: ")) == {
        "error": {
            "message": f"The engine failed. ({answer.headers['x-request-id']})",
            "type": "server_error",
            "param": None,
            "code": None,
        }
    }
    assert rest == b""


async def test_param_names_the_field_as_openai_writes_it(bridge):
    _, error = error_of(await chat(bridge, messages=[{"role": "user", "content": 1}]))
    assert error["param"] == "messages[0].content"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/v1/nothing", 404, None), ("POST", "/v1/models", 405, "method_not_supported")],
)
async def test_what_leads_nowhere_is_said_in_openais_shape(bridge, method, path, status, code):
    answer = await bridge.ask(method, path)
    assert error_of(answer)[0] == status
    assert error_of(answer)[1]["code"] == code
    assert answer.headers.get("Allow") == ("GET,HEAD" if status == 405 else None)


@pytest.mark.parametrize("authorization", [None, "Bearer wrong"])
async def test_who_shows_no_good_token_gets_401(start_bridge, authorization):
    bridge = await start_bridge((TOKEN,))
    headers = {"Authorization": authorization} if authorization else {}
    status, error = error_of(await bridge.ask("GET", f"{V1}/models", headers=headers))
    assert (status, error["code"]) == (401, "invalid_api_key")


async def test_at_v1_the_account_is_the_tokens(start_bridge, service):
    bridge = await start_bridge((TOKEN,))
    headers = {"Authorization": "Bearer secret"}
    answer = await bridge.ask("POST", f"{V1}/chat/completions", json=CHAT, headers=headers)
    assert answer.status == 200
    assert service.metadata["x-runstream-account"] == "acc"


async def test_a_host_that_is_not_allowed_is_told_so_without_talk_of_keys(bridge):
    status, error = error_of(await bridge.ask("GET", f"{V1}/models", headers={"Host": "example.com"}))
    assert (status, error["code"]) == (403, None)
