"""Several choices of one answer: all of them or none."""

import asyncio
import json

import grpc
import pytest
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import failure
from tests.support.openai_asking import CHAT, WITH_USAGE, chat, complete, error_of, parse_chat, read_chunks

QUEUE_FULL = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "full", retry_after_s=3)
FREE = "seed of the service's own"


@pytest.mark.parametrize("ask", [chat, complete])
async def test_whole_choices_have_an_index_each_and_usage_counts_the_prompt_once(bridge, ask):
    answer = json.loads((await ask(bridge, n=3)).body)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["prompt_tokens"] == 7
    assert answer["usage"]["completion_tokens"] == 9
    assert answer["usage"]["total_tokens"] == 16


@pytest.mark.parametrize("ask", [chat, complete])
async def test_streamed_choices_each_have_their_end_and_share_the_usage(bridge, ask):
    chunks = read_chunks((await ask(bridge, n=2, **WITH_USAGE)).body)
    ends = [chunk["choices"][0]["index"] for chunk in chunks if chunk["choices"][0].get("finish_reason")]
    assert sorted(ends) == [0, 1]
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks if "usage" in chunk] == [6]
    assert "usage" in chunks[-1]


async def test_each_streamed_choice_says_who_speaks(bridge):
    chunks = read_chunks((await chat(bridge, n=2, stream=True)).body)
    roles = [chunk["choices"][0]["index"] for chunk in chunks if "role" in chunk["choices"][0]["delta"]]
    assert sorted(roles) == [0, 1]


@pytest.mark.parametrize("ask", [chat, complete])
async def test_streamed_choices_begin_in_their_order(bridge, service, ask):
    service.late_seeds = {5, 6}
    chunks = read_chunks((await ask(bridge, n=3, seed=5, stream=True)).body)
    assert list(dict.fromkeys(chunk["choices"][0]["index"] for chunk in chunks)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("seed", "seeds"), [(5, [5, 6, 7]), (2**63 - 1, [2**63 - 1, -(2**63), -(2**63) + 1]), (None, [FREE] * 3)]
)
def test_choices_have_seeds_that_follow_one_another(seed, seeds):
    openai_input = parse_chat(json.dumps({**CHAT, "n": 3, "seed": seed}).encode())
    sampling_params = [request.sampling_params for request in openai_input.requests]
    assert [params.seed if params.HasField("seed") else FREE for params in sampling_params] == seeds


@pytest.mark.parametrize("stream", [True, False])
async def test_one_that_fails_cancels_the_others_and_is_the_answer(bridge, service, stream):
    service.gate.clear()
    service.failing[6] = QUEUE_FULL
    service.parts = service.parts[:1] * 2
    answer = await asyncio.wait_for(chat(bridge, n=2, seed=5, stream=stream), 60)
    if b"data: " not in answer.body:  # the first choice may already have begun
        assert error_of(answer)[0] == 429
        assert answer.headers["Retry-After"] == "3"
    assert b"rate_limit_exceeded" in answer.body
    assert b"[DONE]" not in answer.body
    await asyncio.wait_for(service.cancelled.wait(), 60)


async def test_a_client_that_leaves_cancels_all(bridge, service):
    service.gate.clear()
    url = f"{bridge.url}/v1/chat/completions"
    body = {"model": "@runstream/demo", "messages": CHAT["messages"], "n": 2, "stream": True}
    async with bridge.http.post(url, json=body) as response:
        await response.content.readuntil(b"\n\n")
        response.close()
    await asyncio.wait_for(service.cancelled.wait(), 60)


async def test_a_forced_call_that_was_cut_is_an_error_and_no_answer(bridge, service):
    tool = {"type": "function", "function": {"name": "add"}}
    service.answer.finish_reason = pb.FINISH_REASON_LENGTH
    answer = await chat(bridge, tools=[tool], tool_choice="required")
    assert error_of(answer)[0] == 400
    assert error_of(answer)[1]["message"].startswith("'/max_tokens' has cut the tool call at 3")
    service.parts[-1].finish_reason = pb.FINISH_REASON_LENGTH
    streamed = await chat(bridge, tools=[tool], tool_choice="required", stream=True)
    assert error_of(streamed) == error_of(answer)
