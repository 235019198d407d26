"""Every row of the error table, as a client sees it."""

import json

import grpc
import pytest
from google.rpc import error_details_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import AiError
from tests.support.fake_service import failure, part
from tests.support.json_bodies import BODIES
from tests.support.running_bridge import PROMPT

STREAM = {**PROMPT, "stream": True}
MODEL = "@runstream/demo"
UNMET = "AiError: JSON Mode couldn't be met: "
UNREACHABLE = "AiError: AiError: The model service can't be reached; it may be starting or stopping."

NOT_TAKEN = "AiError: AiError: The model service ended the call before it was answered; it is too busy, or stopping."

# What the service says; then the status, the code and the message that follow from it.
ROWS = [
    (failure(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "no"), 400, 5006, "AiError: Bad input: Error: no"),
    (failure(grpc.StatusCode.INVALID_ARGUMENT, "LORA_UNSUPPORTED", "no"), 405, 5005, "AiError: LoRa unsupported: no"),
    (
        failure(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", "it is not in the catalog"),
        400,
        5007,
        f"AiError: No such model: No such model {MODEL} or task",
    ),
    (
        failure(grpc.StatusCode.FAILED_PRECONDITION, "WEIGHTS_MISSING", "run pull"),
        400,
        5007,
        "AiError: No such model: run pull",
    ),
    (
        failure(grpc.StatusCode.INVALID_ARGUMENT, "CONTEXT_WINDOW_EXCEEDED", "long"),
        413,
        5021,
        "AiError: AiError: long",
    ),
    (failure(grpc.StatusCode.INVALID_ARGUMENT, "FORMAT_UNSATISFIABLE", "no"), 400, 5024, UNMET + "no"),
    (
        failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "8 wait"),
        429,
        3040,
        "AiError: AiError: Capacity temporarily exceeded, please try again.",
    ),
    (failure(grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", "loading"), 503, 3040, "AiError: AiError: loading"),
    (
        failure(grpc.StatusCode.UNAVAILABLE, message="connection refused"),
        503,
        3040,
        UNREACHABLE,
    ),
    (failure(grpc.StatusCode.CANCELLED), 503, 3040, NOT_TAKEN),
    (failure(grpc.StatusCode.INTERNAL, message="Received RST_STREAM with error code 2"), 503, 3040, NOT_TAKEN),
    (
        failure(grpc.StatusCode.INTERNAL, message="The actor died unexpectedly before finishing this task.\n\tpid: 1"),
        503,
        3040,
        NOT_TAKEN,
    ),
    (
        failure(grpc.StatusCode.RESOURCE_EXHAUSTED, message="Concurrent RPC limit exceeded!"),
        429,
        3040,
        "AiError: AiError: Capacity temporarily exceeded, please try again.",
    ),
    (failure(grpc.StatusCode.DEADLINE_EXCEEDED), 408, 3046, "AiError: AiError: Request timeout"),
    (
        failure(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "slow"),
        408,
        3046,
        "AiError: AiError: Request timeout",
    ),
    (failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "it died"), 500, 5000, "AiError: AiError: it died"),
    (failure(grpc.StatusCode.INTERNAL, "INTERNAL", "secret"), 500, 5000, "AiError: AiError: internal error"),
    (failure(grpc.StatusCode.UNKNOWN, message="secret"), 500, 5000, "AiError: AiError: internal error"),
    (failure(grpc.StatusCode.INTERNAL, "NEW_REASON", "secret"), 500, 5000, "AiError: AiError: internal error"),
    (failure(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "no"), 500, 5000, "AiError: AiError: internal error"),
    (
        failure(grpc.StatusCode.RESOURCE_EXHAUSTED, message="too big"),
        413,
        3006,
        "AiError: Request too large: Request is too large",
    ),
    (
        failure(grpc.StatusCode.INTERNAL, "QUEUE_FULL", "8 wait", domain="elsewhere"),
        500,
        5000,
        "AiError: AiError: internal error",
    ),
]


@pytest.mark.parametrize(("status", "http_status", "code", "message"), ROWS)
async def test_a_failed_call_is_answered_by_its_reason(bridge, service, status, http_status, code, message):
    service.status = status
    assert (await bridge.run(PROMPT)).error == (http_status, code, message)


@pytest.mark.parametrize(("status", "http_status", "code", "message"), ROWS)
async def test_a_stream_that_fails_before_its_first_part_is_answered_alike(
    bridge, service, status, http_status, code, message
):
    service.status, service.parts = status, []
    answer = await bridge.run(STREAM)
    assert answer.error == (http_status, code, message)
    assert answer.headers["Content-Type"] == "application/json"


async def test_the_ai_layers_error_envelope_is_cloudflares_to_the_byte(bridge, service):
    service.status = failure(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    answer = await bridge.run(PROMPT)
    request_id = answer.headers["cf-ai-req-id"].encode()
    assert answer.body == (
        b'{"errors":[{"message":"AiError: No such model: No such model @runstream/demo or task (' + request_id + b')",'
        b'"code":5007}],"success":false,"result":{},"messages":[]}'
    )


async def test_the_services_words_for_fields_become_the_clients(bridge, service):
    field, words = "sampling_params.max_tokens", "sampling_params.max_tokens is 9; stop_sequences[1] is long"
    service.status = failure(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", words, field=field)
    message = "AiError: Bad input: Error: '/max_tokens' is 9; '/stop/1' is long"
    assert (await bridge.run(PROMPT)).error == (400, 5006, message)


@pytest.mark.parametrize("is_bound", [False, True])
async def test_a_failures_id_is_in_its_message_in_its_header_and_in_the_log(bridge, service, caplog, is_bound):
    caplog.set_level("INFO", logger="bridge.http.access_log")
    service.status = failure(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "no")
    bound = {"json": {"inputs": PROMPT}, "headers": {"cf-consn-model-id": MODEL}}
    answer = await (bridge.ask("POST", "/run?version=3", **bound) if is_bound else bridge.run(PROMPT))
    request_id = answer.headers["cf-ai-req-id"]
    told = json.loads(answer.body)
    assert (told if is_bound else told["errors"][0])["message"].endswith(f" ({request_id})")
    assert not is_bound or told["requestId"] == request_id
    assert caplog.messages[-1].startswith(f"request id='{request_id}' method='POST' ")


async def test_a_stream_that_fails_after_its_first_part_ends_with_the_error_and_without_done(bridge, service):
    service.status = failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "it died")
    service.parts = [part("New")]
    answer = await bridge.run(STREAM)
    request_id = answer.headers["cf-ai-req-id"].encode()
    assert answer.status == 200
    assert answer.body == (
        b'data: {"response":"New"}\n\n'
        b"retry: 86400000\n\n"
        b'data: {"response":"","errors":[{"code":5000,"message":"AiError: AiError: it died ('
        + request_id
        + b')"}]}\n\n'
    )


@pytest.mark.parametrize("parts", [[], [part("New")]])
async def test_a_stream_without_a_last_part_is_an_error(bridge, service, parts):
    service.parts = parts
    answer = await bridge.run(STREAM)
    assert b"AiError: AiError: internal error" in answer.body
    assert b"[DONE]" not in answer.body


@pytest.mark.parametrize(("told_s", "header"), [(0, "2"), (7, "7"), (3600, "60")])
async def test_retry_after_is_what_the_service_says_from_1_to_60(bridge, service, told_s, header):
    service.status = failure(grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", "loading", retry_after_s=told_s)
    assert (await bridge.run(PROMPT)).headers["Retry-After"] == header


@pytest.mark.parametrize(
    ("wait_s", "header"), [(0.2, "1"), (1.0, "1"), (1.001, "2"), (2.5, "3"), (59.1, "60"), (61, "60"), (None, "1")]
)
def test_a_wait_is_told_in_whole_seconds_and_never_too_short(wait_s, header):
    assert AiError("QUEUE_FULL", "full", wait_s).headers() == {"Retry-After": header}


async def test_a_wait_of_the_services_has_its_nanoseconds(bridge, service):
    status = failure(grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", "loading", retry_after_s=2)
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromNanoseconds(2_000_000_001)
    status.details[-1].Pack(retry)
    service.status = status
    assert (await bridge.run(PROMPT)).headers["Retry-After"] == "3"


@pytest.mark.parametrize(
    "status",
    [failure(grpc.StatusCode.DEADLINE_EXCEEDED), failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "it died")],
)
async def test_what_would_fail_again_tells_sdks_not_to_ask_again(bridge, service, status):
    service.status = status
    answer = await bridge.run(PROMPT)
    assert answer.headers["x-should-retry"] == "false"
    assert "Retry-After" not in answer.headers


async def test_a_service_that_is_not_there_is_503(start_bridge):
    bridge = await start_bridge(service="127.0.0.1:1")
    answer = await bridge.run(PROMPT)
    assert answer.error == (503, 3040, UNREACHABLE)
    assert answer.headers["Retry-After"] == "2"


async def test_a_call_has_a_deadline(start_bridge, service):
    service.gate.clear()
    bridge = await start_bridge(deadline_s=0.05)
    assert (await bridge.run(PROMPT)).error == (408, 3046, "AiError: AiError: Request timeout")


async def test_a_path_that_is_none_is_7000(bridge):
    answer = await bridge.ask("POST", "/client/v4/accounts/acc/ai/walk/x")
    assert answer.status == 400
    assert answer.body == (
        b'{"result":null,"success":false,"errors":[{"code":7000,"message":"No route for that URI"}],"messages":[]}'
    )


async def test_a_method_that_a_path_does_not_have_is_7001(bridge):
    answer = await bridge.ask("GET", "/client/v4/accounts/acc/ai/run/x")
    assert answer.error == (405, 7001, "GET not supported for requested URI.")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("body", [b"", b" \r\n"])
async def test_an_empty_body_is_3003(bridge, body):
    message = "AiError: Incomplete request: Request is missing headers or body: body"
    assert (await bridge.run(body)).error == (400, 3003, message)


async def test_a_body_over_two_mebibytes_is_3006(bridge):
    message = "AiError: Request too large: Request is too large"
    assert (await bridge.run({"prompt": "x" * 5_000_000})).error == (413, 3006, message)
    assert (await bridge.run({"prompt": "x" * 2_000_000})).status == 200


async def test_a_body_that_is_not_gzip_though_it_says_so_is_5006(bridge):
    answer = await bridge.run(PROMPT, headers={"Content-Encoding": "gzip"}, compress=False)
    message = "AiError: Bad input: Error: the body is not in the encoding gzip"
    assert answer.error == (400, 5006, message)
    assert (await bridge.run(PROMPT)).status == 200


async def test_lora_is_5005(bridge):
    answer = await bridge.run({**PROMPT, "lora": "refused"})
    message = f"AiError: LoRa unsupported: The model {MODEL} does not support LoRa inference"
    assert answer.error == (405, 5005, message)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES.map(lambda value: json.dumps(value).encode()) | st.binary())
async def test_no_body_makes_the_bridge_fail(bridge, body):
    answer = await bridge.run(body)
    assert answer.status < 500
    assert answer.headers["Content-Type"] in ("application/json", "text/event-stream")
