"""What a run request is answered, to the byte."""

import asyncio
import json

import pytest
from yarl import URL

from bridge.upstream.finish_reasons import FINISH_REASONS
from tests.support.fake_service import DEMO, USAGE_JSON, last_part, part
from tests.support.running_bridge import PROMPT

STREAM = {**PROMPT, "stream": True}


async def test_a_whole_answer_is_one_envelope(bridge):
    answer = await bridge.run(PROMPT)
    assert answer.status == 200
    assert answer.body == (
        b'{"result":{"response":"New York","tool_calls":[],"usage":'
        + USAGE_JSON
        + b',"finish_reason":"stop"},"success":true,"errors":[],"messages":[]}'
    )


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_the_service_is_told_the_account_and_the_clients_own_salt(bridge, service, is_streamed):
    await bridge.run({**PROMPT, "stream": is_streamed, "cache_salt": "mine"})
    assert (service.request.cache_salt, service.metadata["x-runstream-account"]) == ("mine", "acc")


async def test_the_content_type_of_json_has_no_charset(bridge):
    answer = await bridge.run(PROMPT)
    assert answer.headers["Content-Type"] == "application/json"


async def test_a_streamed_answer_is_events_then_usage_then_done(bridge):
    answer = await bridge.run(STREAM)
    assert answer.status == 200
    assert answer.body == (
        b'data: {"response":"New"}\n\n'
        b'data: {"response":" York"}\n\n'
        b'data: {"response":"","usage":' + USAGE_JSON + b',"finish_reason":"stop"}\n\n'
        b"data: [DONE]\n\n"
    )


async def test_a_streams_headers_keep_proxies_from_holding_it_back(bridge):
    answer = await bridge.run(STREAM)
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert "x-runstream-model" not in answer.headers


@pytest.mark.parametrize(("reason", "said"), FINISH_REASONS.items())
async def test_why_an_answer_ended_is_told_where_workers_ai_provider_reads_it(bridge, service, reason, said):
    service.answer.finish_reason, service.parts = reason, [last_part("4", finish_reason=reason)]
    whole = json.loads((await bridge.run(PROMPT)).body)["result"]
    *_, last, _, _ = (await bridge.run(STREAM)).body.decode().split("\n\n")
    assert (whole["finish_reason"], json.loads(last.removeprefix("data: "))["finish_reason"]) == (said, said)


async def test_text_of_the_last_part_comes_before_the_usage(bridge, service):
    service.parts = [last_part("4")]
    answer = await bridge.run(STREAM)
    assert answer.body.startswith(b'data: {"response":"4"}\n\ndata: {"response":"","usage":')


async def test_what_is_not_ascii_is_sent_as_utf_8(bridge, service):
    service.parts = [part("纽约\n🗽"), last_part()]
    service.answer.text = "纽约\n🗽"
    assert '"response":"纽约\\n🗽"'.encode() in (await bridge.run(PROMPT)).body
    assert (await bridge.run(STREAM)).body.startswith('data: {"response":"纽约\\n🗽"}\n\n'.encode())


async def test_the_first_event_is_there_before_the_second_part_exists(bridge, service):
    service.gate.clear()
    async with bridge.http.post(bridge.run_url, json=STREAM) as response:
        assert await response.content.readuntil(b"\n\n") == b'data: {"response":"New"}\n\n'
        service.gate.set()
        assert (await response.read()).endswith(b"data: [DONE]\n\n")


async def test_a_client_that_leaves_a_stream_cancels_the_call(bridge, service):
    service.gate.clear()
    async with bridge.http.post(bridge.run_url, json=STREAM) as response:
        await response.content.readuntil(b"\n\n")
        response.close()
    await asyncio.wait_for(service.cancelled.wait(), 60)


async def test_a_client_that_leaves_before_a_whole_answer_cancels_the_call(bridge, service):
    service.gate.clear()
    waiting = asyncio.create_task(bridge.run(PROMPT))
    await service.started.wait()
    waiting.cancel()
    await asyncio.wait_for(service.cancelled.wait(), 60)


async def test_a_client_may_leave_after_done_without_cancelling_anything(bridge, service):
    async with bridge.http.post(bridge.run_url, json=STREAM) as response:
        await response.content.readuntil(b"data: [DONE]\n\n")
        response.close()
    assert (await bridge.run(PROMPT)).status == 200
    assert not service.cancelled.is_set()


@pytest.mark.parametrize(
    "model", ["@cf/meta/llama-2-7b-chat-int8", "@cf%2Fmeta%2Fllama-2-7b-chat-int8", "%40cf/meta/llama-2-7b-chat-int8"]
)
async def test_the_models_name_may_be_percent_encoded(bridge, service, model):
    url = URL(f"{bridge.url}/client/v4/accounts/acc/ai/run/{model}", encoded=True)
    async with bridge.http.post(url, json=PROMPT) as response:
        assert response.status == 200
    assert service.request.model == "@cf/meta/llama-2-7b-chat-int8"


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8", "nonsense"])
async def test_the_body_is_json_whatever_its_content_type_says(bridge, content_type):
    answer = await bridge.run(PROMPT, headers={"Content-Type": content_type})
    assert answer.status == 200


async def test_a_whole_answer_leaves_max_tokens_to_the_service(bridge, service):
    await bridge.run(PROMPT)
    assert not service.request.sampling_params.HasField("max_tokens")


async def test_a_streamed_answer_gets_the_models_streamed_default(bridge, service):
    await bridge.run(STREAM)
    assert service.request.sampling_params.max_tokens == 1800
    assert service.request.sampling_params.max_tokens_is_default


async def test_the_streamed_default_is_asked_for_once(bridge, service):
    await bridge.run(STREAM)
    await bridge.run(STREAM)
    assert service.model_questions == 1


async def test_a_max_tokens_of_the_clients_own_stays(bridge, service):
    await bridge.run({**STREAM, "max_tokens": 5})
    assert service.request.sampling_params.max_tokens == 5
    assert not service.request.sampling_params.max_tokens_is_default


async def test_a_model_that_stands_in_is_named_in_messages_and_header(bridge):
    answer = await bridge.run(PROMPT, model="@cf/meta/llama-2-7b-chat-int8")
    (message,) = json.loads(answer.body)["messages"]
    assert message["message"].startswith("@runstream/demo stands in for @cf/meta/llama-2-7b-chat-int8")
    assert answer.headers["x-runstream-model"] == DEMO


async def test_a_model_that_stands_in_is_named_in_a_streams_header(bridge):
    answer = await bridge.run(STREAM, model="@cf/meta/llama-2-7b-chat-int8")
    assert answer.headers["x-runstream-model"] == DEMO


async def test_the_service_learns_account_and_request_id(bridge, service):
    answer = await bridge.run(PROMPT)
    assert service.metadata["x-runstream-account"] == "acc"
    assert service.metadata["x-runstream-request-id"] == answer.headers["cf-ai-req-id"]
    assert "authorization" not in service.metadata


async def test_the_bridge_shows_the_service_its_own_token_and_not_the_clients(start_bridge, service):
    bridge = await start_bridge(service_token="inner")
    await bridge.run(PROMPT, headers={"Authorization": "Bearer outer"})
    assert service.metadata["authorization"] == "Bearer inner"
