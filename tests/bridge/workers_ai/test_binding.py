"""The AI binding of Workers: what workerd sends and older wrangler relays, and the bare answers that they read."""

import asyncio
import gzip
import json

import grpc
import pytest

from accounts.tokens import Token, hash_token
from tests.support.fake_service import DEMO, failure
from tests.support.running_bridge import PROMPT

USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 3,
    "total_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 2},
}
WORKERD = {"Host": "workers-binding.ai", "cf-consn-sdk-version": "2.0.0", "cf-consn-model-id": DEMO}
RELAY = "/client/v4/accounts/acc/ai/run/proxy"


async def ask(bridge, body, path="/run?version=3", **headers):
    """Sends a request as workerd does; a header that is None is left out."""
    kept = {name: value for name, value in {**WORKERD, **headers}.items() if value is not None}
    return await bridge.ask("POST", path, json=body, headers=kept)


CAPTURED = {
    "workerd": b"""POST /run?version=3 HTTP/1.1
Content-Length: 53
Host: workers-binding.ai
Content-Type: application/json
cf-consn-model-id: @cf/meta/llama-3.1-8b-instruct
cf-consn-sdk-version: 2.0.0
x-extra: 1

{"inputs":{"prompt":"hi","stream":true},"options":{}}""",
    "wrangler": b"""POST /client/v4/accounts/acc/ai/run/proxy HTTP/1.1
host: 127.0.0.1:8080
connection: keep-alive
Authorization: Bearer token
User-Agent: wrangler/3.114.17
cf-consn-model-id: @cf/meta/llama-3.1-8b-instruct
cf-consn-sdk-version: 2.0.0
content-type: application/json
x-forwarded: https://workers-binding.ai/run?version=3
accept: */*
transfer-encoding: chunked

35
{"inputs":{"prompt":"hi","stream":true},"options":{}}
0

""",
}


@pytest.mark.parametrize("client", CAPTURED)
async def test_the_bytes_that_were_captured_are_answered(bridge, service, client):
    host, port = bridge.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(CAPTURED[client].replace(b"\n", b"\r\n"))
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"data: [DONE]\n\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
    assert (service.request.model, service.request.prompt.text) == ("@cf/meta/llama-3.1-8b-instruct", "hi")


@pytest.mark.parametrize("path", ["/run?version=3", "/ai-gateway/run?version=3"])
async def test_a_whole_answer_is_the_bare_result(bridge, service, path):
    answer = await ask(bridge, {"inputs": PROMPT, "options": {"gateway": {"id": "mine"}}}, path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(answer.body) == {
        "response": "New York",
        "tool_calls": [],
        "usage": USAGE,
        "finish_reason": "stop",
    }
    assert service.request.model == DEMO


async def test_a_streamed_answer_is_the_same_bytes_as_over_rest(bridge):
    inputs = {**PROMPT, "stream": True}
    answer = await ask(bridge, {"inputs": inputs, "options": {}})
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.body == (await bridge.run(inputs)).body


async def test_the_answer_tells_the_requests_id(bridge, service):
    answer = await ask(bridge, {"inputs": PROMPT, "options": {}})
    assert answer.headers["cf-ai-req-id"] == service.metadata["x-runstream-request-id"]


async def test_a_prefix_may_stand_before_the_model(bridge, service):
    await ask(bridge, {"inputs": PROMPT}, **{"cf-consn-model-id": f"mine:{DEMO}"})
    assert service.request.model == DEMO


async def test_a_models_own_colon_is_no_prefix(bridge, service):
    await ask(bridge, {"inputs": PROMPT}, **{"cf-consn-model-id": "qwen:7b"})
    assert service.request.model == "qwen:7b"


async def test_who_answers_in_anothers_place_is_told_in_a_header(bridge, service):
    service.answer.served_model = "@runstream/other"
    assert (await ask(bridge, {"inputs": PROMPT})).headers["x-runstream-model"] == "@runstream/other"


async def test_a_wrong_method_is_told_the_right_one(bridge):
    answer = await bridge.ask("GET", "/run?version=3", headers=WORKERD)
    assert (answer.status, answer.headers["Allow"], answer.error[1]) == (405, "POST", 7001)


async def test_options_are_checked_as_those_in_a_body_are(bridge, service):
    beside = await ask(bridge, {"inputs": PROMPT, "options": "all"})
    assert (beside.status, json.loads(beside.body)["internalCode"]) == (400, 5006)
    assert "'/options'" in json.loads(beside.body)["description"]
    assert service.requests == []


async def test_an_error_is_flat(bridge, service):
    service.status = failure(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    answer = await ask(bridge, {"inputs": PROMPT, "options": {}})
    request_id = answer.headers["cf-ai-req-id"]
    description = f"No such model {DEMO} or task"
    assert answer.status == 400
    assert json.loads(answer.body) == {
        "name": "AiError",
        "internalCode": 5007,
        "httpCode": 400,
        "message": f"AiError: No such model: {description} ({request_id})",
        "description": description,
        "requestId": request_id,
    }


@pytest.mark.parametrize("body", [{"prompt": "hi"}, {"inputs": "hi"}, [], {"inputs": None}])
async def test_a_body_without_inputs_is_refused(bridge, body):
    answer = await ask(bridge, body)
    assert (answer.status, json.loads(answer.body)["internalCode"]) == (400, 5006)
    assert "'inputs'" in json.loads(answer.body)["description"]


async def test_violations_are_told_by_their_path_in_the_inputs(bridge):
    answer = await ask(bridge, {"inputs": {**PROMPT, "top_k": 51}, "options": {}})
    assert "'/top_k' must be <= 50" in json.loads(answer.body)["description"]


async def test_a_request_without_a_model_is_refused(bridge):
    answer = await ask(bridge, {"inputs": PROMPT}, **{"cf-consn-model-id": None})
    assert (answer.status, json.loads(answer.body)["internalCode"]) == (400, 3003)
    assert "cf-consn-model-id" in json.loads(answer.body)["description"]


async def test_version_2_wants_the_answer_compressed_without_a_word_of_it(bridge):
    answer = await ask(
        bridge, {"inputs": PROMPT, "options": {}}, "/run?version=2", **{"content-encoding": "application/json"}
    )
    assert json.loads(gzip.decompress(answer.body))["response"] == "New York"
    assert answer.headers["Content-Type"] == "application/json"
    assert "Content-Encoding" not in answer.headers


async def test_version_2_streams_uncompressed(bridge):
    answer = await ask(bridge, {"inputs": {**PROMPT, "stream": True}, "options": {}}, "/run?version=2")
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_tensors_are_refused_with_the_version_that_works(bridge):
    answer = await ask(bridge, {"input": [], "stream": False}, "/run")
    assert (answer.status, json.loads(answer.body)["internalCode"]) == (405, 5019)
    assert "@cloudflare/ai 1.1.0 or newer" in json.loads(answer.body)["description"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/run?version=3", {"Origin": "http://workers-binding.ai"}),
        ("/run?version=3", {"Host": "workers-binding.ai:8080"}),
        ("/run?version=3", {"Host": "rebound.example"}),
        ("/client/v4/accounts/acc/ai/run/" + DEMO, {}),
        ("/metrics", {}),
    ],
)
async def test_no_page_can_pass_for_workerd(bridge, service, path, headers):
    answer = await ask(bridge, {"inputs": PROMPT}, path, **headers)
    assert answer.status == 403
    assert service.requests == []


ABSENT = {
    "/to-everything/markdown/transformer": "toMarkdown",
    "/to-everything/markdown/supported": "toMarkdown",
    "/ai-gateway/universal/run/mine": "gateway",
    "/ai-gateway/gateways/mine/logs/1": "gateway",
    "/autorag/rags": "autorag",
    "/autorag/rags/mine/ai-search": "autorag",
}


@pytest.mark.parametrize("is_relayed", [False, True])
@pytest.mark.parametrize("path", ABSENT)
async def test_what_is_not_there_for_a_binding_is_told_in_the_fields_that_each_of_its_classes_reads(
    bridge, service, path, is_relayed
):
    relayed = {"Host": None, "x-forwarded": f"https://workers-binding.ai{path}"}
    answer = await (ask(bridge, {}, RELAY, **relayed) if is_relayed else ask(bridge, {}, path))
    body = json.loads(answer.body)
    told = f"No route for that URI: env.AI.{ABSENT[path]}() is not here, env.AI.run() and env.AI.models() are"
    assert (answer.status, body["errors"]) == (400, [{"code": 7000, "message": told}])
    assert (body["internalCode"], body["description"]) == (7000, told)
    assert service.requests == []


async def test_wrangler_relays_for_the_account_in_its_path(bridge, service):
    relayed = {"Host": None, "x-forwarded": "https://workers-binding.ai/run?version=3"}
    answer = await ask(bridge, {"inputs": PROMPT, "options": {}}, RELAY, **relayed)
    assert json.loads(answer.body)["response"] == "New York"
    assert service.metadata["x-runstream-account"] == "acc"


@pytest.mark.parametrize(
    "forwarded", [None, "http://[", "https://workers-binding.ai/images", "https://elsewhere.example/run?version=3"]
)
async def test_nothing_else_is_relayed(bridge, service, forwarded):
    answer = await ask(bridge, {"inputs": PROMPT}, RELAY, Host=None, **{"x-forwarded": forwarded})
    assert answer.error[:2] == (400, 7000)
    assert service.requests == []


async def test_the_binding_lists_models(bridge):
    answer = await bridge.ask("GET", "/ai-api/models/search?search=demo", headers={"Host": "workers-binding.ai"})
    assert [row["name"] for row in json.loads(answer.body)["result"]] == [DEMO]


@pytest.mark.parametrize(("method", "path"), [("POST", "/ai-api/models/search"), ("GET", "/run?version=3")])
async def test_what_is_relayed_keeps_its_method(bridge, service, method, path):
    headers = {"x-forwarded": f"https://workers-binding.ai{path}", "cf-consn-model-id": DEMO}
    answer = await bridge.ask(method, RELAY, json={"inputs": PROMPT}, headers=headers)
    assert answer.error[:2] == (400, 7000)
    assert service.requests == []


@pytest.mark.parametrize(("search", "found"), [("demo", [DEMO]), ("nothing", [])])
async def test_wrangler_relays_the_search_for_models(bridge, search, found):
    forwarded = f"https://workers-binding.ai/ai-api/models/search?search={search}"
    answer = await bridge.ask("GET", RELAY, headers={"x-forwarded": forwarded})
    assert [row["name"] for row in json.loads(answer.body)["result"]] == found


async def test_with_a_token_file_the_binding_acts_for_its_tokens_account(start_bridge, service):
    bridge = await start_bridge((Token("acme", hash_token("secret"), "worker"),))
    assert (await ask(bridge, {"inputs": PROMPT}, Authorization="Bearer secret")).status == 200
    assert service.metadata["x-runstream-account"] == "acme"


async def test_a_missing_token_is_told_in_fields_that_every_workerd_reads(start_bridge):
    bridge = await start_bridge((Token("acme", hash_token("secret"), "worker"),))
    body = json.loads((await ask(bridge, {"inputs": PROMPT})).body)
    assert (body["internalCode"], body["description"]) == (10001, "Unable to authenticate request")
    assert body["errors"] == [{"code": 10001, "message": "Unable to authenticate request"}]
