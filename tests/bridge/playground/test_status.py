"""The data of the operator's page."""

import asyncio
import json

import grpc
import pytest

from accounts.tokens import Token, hash_token
from tests.support.fake_service import DEMO, failure, part
from tests.support.running_bridge import PROMPT

TOKENS = (
    Token("acc", hash_token("one"), "laptop"),
    Token("other", hash_token("two"), "desk"),
    Token("acc", hash_token("both"), "phone"),
    Token("other", hash_token("both"), "phone"),
)


async def data_of(bridge, token=""):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await bridge.ask("GET", "/status/data", headers=headers)
    assert answer.status == 200
    return json.loads(answer.body)


async def test_models_and_figures_of_the_service_are_told(start_bridge, metrics):
    data = await data_of(await start_bridge(service_metrics=metrics.url))
    (model,) = data["models"]["entries"]
    assert (model["id"], model["served_model"], data["models"]["problem"]) == (DEMO, DEMO, "")
    assert data["metrics"]["is_configured"]
    assert data["metrics"]["problem"] == ""
    assert data["metrics"]["figures"]["models"][DEMO]["num_requests_running"] == 2


async def test_without_an_address_of_the_metrics_it_says_which_flag_gives_it(bridge):
    told = (await data_of(bridge))["metrics"]
    assert (told["is_configured"], told["figures"]) == (False, None)
    assert "--service-metrics" in told["problem"]
    assert "RUNSTREAM_BRIDGE_SERVICE_METRICS" in told["problem"]


async def test_without_a_service_it_says_so_and_tells_the_rest(start_bridge):
    bridge = await start_bridge(service="127.0.0.1:1", service_metrics="http://127.0.0.1:1/metrics")
    await bridge.run(PROMPT)
    data = await data_of(bridge)
    assert data["models"]["entries"] == []
    assert "can't be reached" in data["models"]["problem"]
    assert data["metrics"]["figures"] is None
    assert "--service-metrics" in data["metrics"]["problem"]
    assert data["bridge"]["requests"][0]["status"] == 503


async def test_a_page_of_metrics_that_never_comes_takes_nothing_from_the_rest(start_bridge, metrics):
    metrics.gate.clear()
    data = await data_of(await start_bridge(service_metrics=metrics.url))
    assert "no whole answer within 2 s" in data["metrics"]["problem"]
    assert data["models"]["entries"]


async def test_those_who_ask_at_the_same_time_share_one_question(start_bridge, metrics):
    bridge = await start_bridge(service_metrics=metrics.url)
    assert metrics.num_asked == 0, "nobody looks"
    metrics.gate.clear()
    leaving, staying = [asyncio.create_task(data_of(bridge)) for _ in range(2)]
    await metrics.was_asked.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    metrics.gate.set()
    assert (await staying)["metrics"]["figures"]
    assert metrics.num_asked == 1


async def test_requests_are_counted_by_route_and_status(bridge):
    await bridge.run(PROMPT)
    await bridge.run(PROMPT)
    await bridge.run({})
    await data_of(bridge)
    route = "/client/v4/accounts/{account_id}/ai/run/{model}"
    assert (await data_of(bridge))["bridge"]["requests"] == [
        {"route": route, "status": 200, "count": 2},
        {"route": route, "status": 400, "count": 1},
    ]


async def test_streams_are_counted_while_they_are_open_and_when_they_break(bridge, service):
    service.gate.clear()
    service.parts, service.status = [part("New"), part("York")], failure(grpc.StatusCode.INTERNAL, "ENGINE_FAILED", "")
    async with bridge.http.post(bridge.run_url, json={**PROMPT, "stream": True}) as response:
        await response.content.readuntil(b"\n\n")
        assert (await data_of(bridge))["bridge"]["streams_open"] == 1
        service.gate.set()
        await response.read()
    told = (await data_of(bridge))["bridge"]
    assert (told["streams_open"], told["stream_errors"]) == (0, {"5000": 1})
    assert told["time_to_first_event_seconds"]["count"] == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_recent_request_is_told_with_its_counts(bridge, stream):
    answer = await bridge.run({**PROMPT, "stream": stream})
    (told,) = (await data_of(bridge))["recent_requests"]
    assert told.pop("duration_s") > 0
    assert told.pop("ended_at") > 1_000_000_000
    assert told == {
        "id": answer.headers["cf-ai-req-id"],
        "account": "acc",
        "route": "/client/v4/accounts/{account_id}/ai/run/{model}",
        "model": DEMO,
        "served_model": DEMO,
        "status": 200,
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "finish_reason": "stop",
        "error": "",
    }


async def test_choices_of_one_request_share_their_prompt(bridge):
    body = {"model": DEMO, "messages": [{"role": "user", "content": "hi"}], "n": 3}
    assert (await bridge.ask("POST", "/v1/chat/completions", json=body)).status == 200
    (told,) = (await data_of(bridge))["recent_requests"]
    assert (told["prompt_tokens"], told["completion_tokens"]) == (7, 9)


async def test_nothing_that_a_client_wrote_or_was_answered_is_told(start_bridge):
    bridge = await start_bridge(tokens=TOKENS)
    headers = {"Authorization": "Bearer one"}
    await bridge.run({"prompt": "a secret question"}, headers=headers)
    await bridge.run({"prompt": "a secret question", "stop": {"secret": "word"}}, headers=headers)
    await bridge.run(b'{"prompt": "a secret question', headers=headers)
    text = json.dumps(await data_of(bridge, "one"))
    assert len(json.loads(text)["recent_requests"]) == 3
    assert "secret" not in text
    assert "New York" not in text
    assert "Bearer" not in text


async def test_what_a_client_chose_is_cut_as_in_the_log(bridge):
    await bridge.run(PROMPT, model="@cf/" + "m" * 5000)
    await bridge.ask("POST", f"/client/v4/accounts/{'a' * 120}/ai/run/{DEMO}", json=PROMPT)
    second, first = (await data_of(bridge))["recent_requests"]
    assert first["model"].endswith("… and 4804 characters more")
    assert second["account"] == "a" * 120


async def test_a_client_that_leaves_is_told_as_one(bridge, service):
    service.gate.clear()
    async with bridge.http.post(bridge.run_url, json={**PROMPT, "stream": True}) as response:
        await response.content.readuntil(b"\n\n")
        response.close()
    await service.cancelled.wait()
    (told,) = (await data_of(bridge))["recent_requests"]
    assert (told["status"], told["finish_reason"], told["completion_tokens"]) == (499, "", 0)


async def test_what_only_looks_pushes_no_request_out(bridge):
    await bridge.run(PROMPT)
    for path in ("/healthz", "/v1/models", "/nowhere"):
        await bridge.ask("GET", path)
    assert len((await data_of(bridge))["recent_requests"]) == 1


@pytest.mark.parametrize(("headers", "status"), [({}, 400), ({"Authorization": "Bearer wrong"}, 401)])
async def test_it_is_told_to_nobody_without_a_good_token(start_bridge, metrics, headers, status):
    bridge = await start_bridge(tokens=TOKENS, service_metrics=metrics.url)
    answer = await bridge.ask("GET", "/status/data", headers=headers)
    assert answer.status == status
    assert metrics.num_asked == 0


@pytest.mark.parametrize(("token", "accounts"), [("one", {"acc"}), ("two", {"other"}), ("both", {"acc", "other"})])
async def test_a_token_sees_the_requests_of_its_accounts(start_bridge, token, accounts):
    bridge = await start_bridge(tokens=TOKENS)
    for asking, account in (("one", "acc"), ("two", "other")):
        headers = {"Authorization": f"Bearer {asking}"}
        await bridge.ask("POST", f"/client/v4/accounts/{account}/ai/run/{DEMO}", json=PROMPT, headers=headers)
    data = await data_of(bridge, token)
    assert {request["account"] for request in data["recent_requests"]} == accounts
    assert data["bridge"]["requests"][0]["count"] == 2, "figures are of all accounts, as in the metrics"
