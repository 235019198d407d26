"""Batches through the whole chain: what REST answers to one is what it answers to each of its requests by itself."""

import asyncio
import json
import os
import signal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runstream.v1 import batches_pb2

from tests.support.equal_inputs import INPUTS, SAMPLING
from tests.support.whole_chain import LONG, PATIENCE_S, POISON

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODIES = st.builds(lambda given, sampling: {**given, **sampling}, INPUTS, SAMPLING)
CITY = {"type": "object", "properties": {"city": {"enum": ["New York"]}}, "required": ["city"]}
JSON_MODE = {"prompt": "Where?", "seed": 1, "response_format": {"type": "json_schema", "json_schema": CITY}}


async def post(chain, body, **query):
    """The result that a body is answered with."""
    async with chain.bridge.http.post(chain.run_url, json=body, params=query) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return answer["result"]


async def finished(chain, request_id):
    """Asks for a batch until it has its responses."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            result = await post(chain, {"request_id": request_id}, queueRequest="true")
            if "responses" in result:
                return result
            assert result["status"] in ("queued", "running")


async def run_batch(chain, requests):
    """Sends a batch and waits for its end."""
    queued = await post(chain, {"requests": requests}, queueRequest="true")
    assert (queued["status"], queued["model"]) == ("queued", chain.run_url.partition("/run/")[2])
    return await finished(chain, queued["request_id"])


@settings(max_examples=settings().max_examples // 6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(BODIES, min_size=1, max_size=4))
async def test_a_batch_says_what_json_says_to_each_of_its_requests(chain, bodies):
    for body in bodies:
        await chain.ask(**body)  # from then on the prompt is cached, for both alike
    single = [json.loads((await chain.ask(**body)).body)["result"] for body in bodies]
    batch = await run_batch(chain, bodies)
    assert [entry["result"] for entry in batch["responses"]] == single
    assert [entry["id"] for entry in batch["responses"]] == list(range(len(bodies)))
    total = sum(result["usage"]["completion_tokens"] for result in single)
    assert batch["usage"]["completion_tokens"] == total


async def test_json_mode_gives_the_same_value_in_a_batch(chain):
    alone = json.loads((await chain.ask(**JSON_MODE)).body)["result"]
    (entry,) = (await run_batch(chain, [JSON_MODE]))["responses"]
    assert entry["result"]["response"] == alone["response"] == {"city": "New York"}


async def test_a_request_that_fails_leaves_its_neighbours(chain):
    requests = [{**LONG, "max_tokens": 5}, {"prompt": POISON, "raw": True}, {**LONG, "external_reference": "big"}]
    requests[2]["max_tokens"] = 20_001 + 10_000
    batch = await run_batch(chain, requests)
    whole, poisoned, too_many = batch["responses"]
    assert whole["success"]
    assert whole["result"]["usage"]["completion_tokens"] == batch["usage"]["completion_tokens"] == 5
    assert (poisoned["success"], poisoned["errors"][0]["code"]) == (False, 5000)
    assert (too_many["success"], too_many["errors"][0]["code"]) == (False, 5021)
    assert "'/max_tokens' is 30001" in too_many["errors"][0]["message"]
    assert too_many["external_reference"] == "big"


async def test_an_engine_that_is_killed_during_a_batch_costs_no_answer(chain):
    requests = [{**LONG, "max_tokens": 200}] * 20
    queued = await post(chain, {"requests": requests}, queueRequest="true")
    await chain.until(lambda: chain.engine.stats.num_running > 0)
    assert chain.engine.pid is not None
    os.kill(chain.engine.pid, signal.SIGKILL)
    responses = (await finished(chain, queued["request_id"]))["responses"]
    assert [entry["success"] for entry in responses] == [True] * 20


async def test_another_bridge_can_answer_for_a_batch_and_another_account_can_not(chain):
    queued = await post(chain, {"requests": [{**LONG, "max_tokens": 2}]}, queueRequest="true")
    await finished(chain, queued["request_id"])
    async with chain.with_bridge() as other:
        assert (await finished(other, queued["request_id"]))["responses"][0]["success"]
        path = other.run_url.removeprefix(other.bridge.url).replace("/acc/", "/other/")
        answer = await other.bridge.ask("POST", path, json={"request_id": queued["request_id"]})
    assert answer.error[:2] == (400, 5006)
    assert "There is no batch" in answer.error[2]


async def test_someone_who_waits_goes_before_a_batch(chain):
    queued = await post(chain, {"requests": [{**LONG, "max_tokens": 3000}] * 40}, queueRequest="true")
    await chain.until(lambda: chain.engine.stats.num_running == chain.engine.config.max_num_seqs)
    answer = await chain.ask(**{**LONG, "max_tokens": 3})
    assert json.loads(answer.body)["result"]["usage"]["completion_tokens"] == 3
    assert (await post(chain, {"request_id": queued["request_id"]}))["status"] == "running"
    sought = batches_pb2.DeleteBatchRequest(account="acc", batch_id=queued["request_id"])
    await chain.service.batches.DeleteBatch(sought)
