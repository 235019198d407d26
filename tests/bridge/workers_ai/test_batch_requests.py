"""Asynchronous batches over REST and over the binding: what is asked of the service, and the answers to the byte."""

import gzip
import json

import grpc
import pytest
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.workers_ai.batch_requests import MAX_REQUESTS
from tests.support.fake_service import DEMO, USAGE, failure
from tests.support.running_bridge import PROMPT

QUEUED = {"queueRequest": "true"}
POLL = {"request_id": "batch-1"}
WORKERD = {"Host": "workers-binding.ai", "cf-consn-model-id": DEMO}
USAGE_JSON = b'{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":2}}'
TWICE_JSON = b'{"prompt_tokens":14,"completion_tokens":6,"total_tokens":20,"prompt_tokens_details":{"cached_tokens":4}}'


def envelope(result):
    return b'{"result":' + result + b',"success":true,"errors":[],"messages":[]}'


def answered(index=0, text="New York", served_model=DEMO, reference=None, **fields):
    """A result of an item that has an answer."""
    response = pb.RunResponse(text=text, served_model=served_model, usage=USAGE, finish_reason=pb.FINISH_REASON_STOP)
    return batches_pb2.BatchResult(index=index, response=response, external_reference=reference, **fields)


def failed(index, reason, message):
    """A result of an item that has failed."""
    return batches_pb2.BatchResult(index=index, failure=batches_pb2.BatchItemFailure(reason=reason, message=message))


def finish(service, *pages):
    """Makes the service's batch one that is done."""
    service.batch.state = batches_pb2.BATCH_STATE_DONE
    service.pages = list(pages)


async def responses_of(bridge):
    """The entries of a batch that is done."""
    return json.loads((await bridge.run(POLL, params=QUEUED)).body)["result"]["responses"]


async def test_a_batch_is_answered_with_its_id(bridge, service):
    answer = await bridge.run({"requests": [PROMPT]}, params=QUEUED)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    queued = b'{"status":"queued","request_id":"batch-1","model":"@runstream/demo"}'
    assert answer.body == envelope(queued)


async def test_the_service_gets_the_requests_for_the_account(bridge, service):
    requests = [
        {**PROMPT, "max_tokens": 5, "external_reference": "a"},
        {"messages": [{"role": "user", "content": "b"}]},
    ]
    await bridge.run({"requests": requests}, params=QUEUED)
    assert (service.new_batch.account, service.new_batch.model) == ("acc", DEMO)
    first, second = service.new_batch.items
    assert (first.external_reference, second.HasField("external_reference")) == ("a", False)
    assert first.request.prompt.text == PROMPT["prompt"]
    assert first.request.sampling_params.max_tokens == 5
    assert second.request.conversation.messages[0].content[0].text == "b"


async def test_the_options_in_the_body_ask_for_a_batch_as_well(bridge, service):
    answer = await bridge.run({"requests": [PROMPT], "options": {"queueRequest": True}})
    assert b'"status":"queued"' in answer.body
    assert len(service.new_batch.items) == 1


@pytest.mark.parametrize("query", [QUEUED, {}])
async def test_a_batch_that_runs_says_so(bridge, service, query):
    service.batch.state = batches_pb2.BATCH_STATE_RUNNING
    answer = await bridge.run(POLL, params=query)
    assert answer.body == envelope(b'{"status":"running","request_id":"batch-1","model":"@runstream/demo"}')
    assert (service.sought.account, service.sought.batch_id) == ("acc", "batch-1")


async def test_results_are_native_in_order_with_their_usage_summed(bridge, service):
    finish(service, [answered(reference="a")], [answered(1, text="4")])
    answer = await bridge.run(POLL, params=QUEUED)
    assert answer.body == envelope(
        b'{"responses":[{"id":0,"result":{"response":"New York","tool_calls":[],"usage":'
        + USAGE_JSON
        + b',"finish_reason":"stop"},"success":true,"external_reference":"a"},'
        + b'{"id":1,"result":{"response":"4","tool_calls":[],"usage":'
        + USAGE_JSON
        + b',"finish_reason":"stop"},"success":true,"external_reference":null}],"usage":'
        + TWICE_JSON
        + b"}"
    )


async def test_a_request_that_failed_has_its_errors_in_the_clients_words(bridge, service):
    message = "sampling_params.max_tokens is 9999; its range is 1 to 1024"
    finish(service, [failed(3, "INVALID_REQUEST", message)])
    (entry,) = await responses_of(bridge)
    told = "AiError: Bad input: Error: '/max_tokens' is 9999; its range is 1 to 1024 (batch-1/3)"
    errors = [{"code": 5006, "message": told}]
    assert entry == {"id": 3, "success": False, "errors": errors, "external_reference": None}


async def test_a_batch_that_was_cancelled_has_its_results_and_says_why_the_others_are_missing(bridge, service):
    finish(service, [answered(), failed(1, "CANCELLED", "The batch was cancelled before this item had its answer.")])
    service.batch.state = batches_pb2.BATCH_STATE_CANCELLED
    first, second = await responses_of(bridge)
    assert (first["success"], second["success"]) == (True, False)
    told = "AiError: AiError: The batch was cancelled before this item had its answer. (batch-1/1)"
    assert second["errors"] == [{"code": 5000, "message": told}]


async def test_a_reason_that_the_bridge_does_not_know_is_internal(bridge, service):
    finish(service, [failed(0, "NEWER", "/home/alice/secret")])
    (entry,) = await responses_of(bridge)
    assert entry["errors"] == [{"code": 5000, "message": "AiError: AiError: internal error (batch-1/0)"}]


async def test_json_mode_and_tool_calls_are_as_outside_of_a_batch(bridge, service):
    called = answered(2, text="")
    called.response.tool_calls.add(name="weather", arguments_json='{"city": "New York"}')
    finish(
        service,
        [
            answered(0, text='{"a": 1.0}', is_json=True),
            answered(1, text='{"a": ', is_json=True),
            called,
            answered(3, text="no", is_call_forced=True),
        ],
    )
    whole, cut, call, missing = await responses_of(bridge)
    assert whole["result"]["response"] == {"a": 1.0}
    assert (cut["success"], cut["errors"][0]["code"]) == (False, 5024)
    assert call["result"]["tool_calls"] == [{"name": "weather", "arguments": {"city": "New York"}}]
    assert call["result"]["response"] is None
    assert missing["errors"][0]["code"] == 8006


async def test_a_stand_in_says_so_in_the_results_too(bridge, service):
    finish(service, [answered(served_model="@test/other")], [failed(1, "ENGINE_FAILED", "it died")])
    answer = await bridge.run(POLL)
    assert answer.headers["x-runstream-model"] == "@test/other"
    assert "@test/other stands in for" in json.loads(answer.body)["messages"][0]["message"]


async def test_every_wrong_request_is_named_by_its_place(bridge, service):
    requests = [{"prompt": ""}, PROMPT, {**PROMPT, "top_k": 51}, {**PROMPT, "stream": True}, {**PROMPT, "lora": ""}, 7]
    answer = await bridge.run({"requests": requests}, params=QUEUED)
    status, code, message = answer.error
    assert (status, code) == (400, 5006)
    for told in (
        "Length of '/requests/0/prompt' must be >= 1",
        "'/requests/2/top_k' must be <= 50",
        "'/requests/3/stream' must be false",
        "Length of '/requests/4/lora' must be >= 1",
        "Type mismatch of '/requests/5', 'integer' not in 'object'",
    ):
        assert told in message
    assert "/requests/1" not in message
    assert not service.new_batch.model, "none of it reaches the service"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (PROMPT, "required properties at '/' are 'requests', an array, with queueRequest"),
        ([], "required properties at '/' are 'requests'"),
        ({"requests": None}, "required properties at '/' are 'requests'"),
        ({"requests": []}, "'/requests' has 0 entries, and a batch has 1 to 10000"),
        ({"requests": [PROMPT] * (MAX_REQUESTS + 1)}, "'/requests' has 10001 entries"),
        ({"requests": [{**PROMPT, "external_reference": 7}]}, "'/requests/0/external_reference' must be a string"),
        ({"requests": [{**PROMPT, "external_reference": "x" * 1025}]}, "'/requests/0/external_reference' must be"),
        ({"request_id": 7}, "'/request_id' must be the string"),
        ({"requests": [{"prompt": ""}] * 30}, "and more"),
    ],
)
async def test_a_batch_that_is_wrong_says_what_is(bridge, body, message):
    answer = await bridge.run(body, params=QUEUED)
    assert answer.error[:2] == (400, 5006)
    assert message in answer.error[2]


async def test_what_the_service_finds_wrong_is_told_by_place_too(bridge, service):
    message = "items[2].request: sampling_params.max_tokens is 0; its range is 1 or more"
    service.status = failure(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", message, field="items[2].request")
    answer = await bridge.run({"requests": [PROMPT]}, params=QUEUED)
    assert "'/requests/2': '/max_tokens' is 0; its range is 1 or more" in answer.error[2]


async def test_an_unknown_id_is_5006_and_so_is_one_of_another_model(bridge, service):
    service.batch.model = "@test/other"
    answer = await bridge.run(POLL)
    assert answer.error[:2] == (400, 5006)
    assert "'/request_id' is that of a batch of @test/other" in answer.error[2]
    service.status = failure(grpc.StatusCode.NOT_FOUND, "BATCH_NOT_FOUND", "There is no batch batch-1")
    answer = await bridge.run(POLL)
    assert answer.error == (400, 5006, "AiError: Bad input: Error: There is no batch batch-1")


async def test_a_queue_that_is_full_says_when_to_come_back(bridge, service):
    service.status = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", retry_after_s=1)
    answer = await bridge.run({"requests": [PROMPT]}, params=QUEUED)
    assert answer.error[:2] == (429, 3040)
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("size_mib", [3, 11])
async def test_only_a_batch_may_be_larger_than_2_mib_and_none_than_10(bridge, service, size_mib):
    requests = [{"prompt": "x" * (1 << 20)}] * size_mib
    answer = await bridge.run({"requests": requests}, params=QUEUED)
    assert answer.status == (200 if size_mib == 3 else 413)
    answer = await bridge.run({"requests": requests, "options": {"queueRequest": True}})
    assert answer.status == (200 if size_mib == 3 else 413)
    for options in ({}, {"queueRequest": False}):
        answer = await bridge.run({"prompt": "x" * (size_mib << 20), "options": options})
        assert answer.error[:2] == (413, 3006)


async def test_the_binding_asks_with_its_options_and_gets_bare_results(bridge, service):
    body = {"inputs": {"requests": [PROMPT]}, "options": {"queueRequest": True}}
    answer = await bridge.ask("POST", "/run?version=3", json=body, headers=WORKERD)
    assert answer.body == b'{"status":"queued","request_id":"batch-1","model":"@runstream/demo"}'
    finish(service, [answered()])
    answer = await bridge.ask("POST", "/run?version=3", json={"inputs": POLL}, headers=WORKERD)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(answer.body)["responses"][0]["result"]["response"] == "New York"


async def test_cloudflare_ai_1_1_gets_a_batch_compressed_like_everything(bridge):
    body = {"inputs": POLL, "options": {}}
    answer = await bridge.ask("POST", "/run?version=2", json=body, headers=WORKERD)
    assert json.loads(gzip.decompress(answer.body))["status"] == "queued"
