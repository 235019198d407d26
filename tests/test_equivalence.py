"""One law for every face: what `RunStream` sends in parts, `Run`, JSON and server-sent events say as well."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runstream.v1 import text_generation_pb2 as pb

from tests.support.equal_inputs import CONVERSATIONS, INPUTS, SAMPLING, TEXT
from tests.support.openai_asking import IN_ACCOUNT, WITH_USAGE, read_chunks
from tests.support.running_service import MODEL
from tests.support.whole_chain import read_events, to_request

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACCOUNT = "acc"
CALLER = (("x-runstream-account", ACCOUNT),)  # as the bridge says for whom it asks


def counts(usage):
    """Token counts, as JSON has them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_prompt_tokens},
    }


FINISH_REASONS = {pb.FINISH_REASON_STOP: "stop", pb.FINISH_REASON_LENGTH: "length"}


@settings(max_examples=settings().max_examples // 3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.builds(lambda given, sampling: {**given, **sampling}, INPUTS, SAMPLING))
async def test_all_native_faces_say_the_same(chain, body):
    request = to_request(body)
    await chain.service.text_generation.Run(request, metadata=CALLER)  # now the prompt is cached
    whole = await chain.service.text_generation.Run(request, metadata=CALLER)
    *parts, last = [part async for part in chain.service.text_generation.RunStream(request, metadata=CALLER)]
    assert "".join(part.text for part in (*parts, last)) == whole.text
    assert (last.finish_reason, last.usage) == (whole.finish_reason, whole.usage)
    assert last.matched_stop == whole.matched_stop
    assert last.matched_stop_token_id == whole.matched_stop_token_id
    if not (body.get("min_tokens") or body.get("include_stop_str_in_output")):
        assert not any(stop in whole.text for stop in body.get("stop", ()))
    assert not any(part.finish_reason or part.HasField("matched_stop") or part.HasField("usage") for part in parts)
    result = json.loads((await chain.ask(**body)).body)["result"]
    streamed = read_events((await chain.ask(**body, stream=True)).body)
    usage, finish_reason = counts(whole.usage), FINISH_REASONS[whole.finish_reason]
    assert result == {"response": whole.text, "tool_calls": [], "usage": usage, "finish_reason": finish_reason}
    assert ("".join(streamed.texts), streamed.usage, streamed.finish_reason) == (whole.text, usage, finish_reason)
    assert json.loads((await ask_as_binding(chain, body)).body) == result
    relayed = read_events((await ask_as_binding(chain, {**body, "stream": True})).body)
    assert ("".join(relayed.texts), relayed.usage, relayed.finish_reason) == (whole.text, usage, finish_reason)


async def ask_as_binding(chain, inputs):
    """Asks as a Worker's binding does, through wrangler's relay, which names an account."""
    headers = {"x-forwarded": "https://workers-binding.ai/run?version=3", "cf-consn-model-id": MODEL}
    body = {"inputs": inputs, "options": {}}
    return await chain.bridge.ask("POST", f"/client/v4/accounts/{ACCOUNT}/ai/run/proxy", json=body, headers=headers)


async def chat(chain, asked):
    """The choice and the usage that a chat completion answers."""
    answer = json.loads((await chain.bridge.ask("POST", f"{IN_ACCOUNT}/chat/completions", json=asked)).body)
    (choice,) = answer["choices"]
    tokens = choice["logprobs"]["content"]
    return choice["message"]["content"], choice["finish_reason"], answer["usage"], tokens


async def chat_streamed(chain, asked):
    """The same of a stream, put together."""
    asked = {**asked, **WITH_USAGE}
    chunks = read_chunks((await chain.bridge.ask("POST", f"{IN_ACCOUNT}/chat/completions", json=asked)).body)
    choices = [chunk["choices"][0] for chunk in chunks]
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    tokens = [token for choice in choices for token in choice.get("logprobs", {"content": []})["content"]]
    return text, choices[-1]["finish_reason"], chunks[-1]["usage"], tokens


@settings(max_examples=settings().max_examples // 4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversation=CONVERSATIONS, sampling=SAMPLING)
async def test_chat_completions_say_what_run_says(chain, conversation, sampling):
    request = to_request({**conversation, **sampling})
    request.sampling_params.top_logprobs = 2
    await chain.service.text_generation.Run(request, metadata=CALLER)
    run = await chain.service.text_generation.Run(request, metadata=CALLER)
    asked = {"model": MODEL, "logprobs": True, "top_logprobs": 2, **conversation, **sampling}
    whole, streamed = await chat(chain, asked), await chat_streamed(chain, asked)
    assert whole == streamed
    assert whole[:3] == (run.text, FINISH_REASONS[run.finish_reason], counts(run.usage))
    assert [token["bytes"] for token in whole[3]] == [list(token.token) for token in run.logprobs]


@settings(max_examples=settings().max_examples // 6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=TEXT, sampling=SAMPLING)
async def test_text_completions_say_what_run_says_to_a_raw_prompt(chain, prompt, sampling):
    request = to_request({"prompt": prompt, "raw": True, **sampling})
    await chain.service.text_generation.Run(request, metadata=CALLER)
    run = await chain.service.text_generation.Run(request, metadata=CALLER)
    asked = {"model": MODEL, "prompt": prompt, **sampling}
    whole = json.loads((await chain.bridge.ask("POST", f"{IN_ACCOUNT}/completions", json=asked)).body)
    streaming = {**asked, **WITH_USAGE}
    chunks = read_chunks((await chain.bridge.ask("POST", f"{IN_ACCOUNT}/completions", json=streaming)).body)
    assert whole["choices"][0]["text"] == run.text == "".join(chunk["choices"][0]["text"] for chunk in chunks)
    assert whole["choices"][0]["finish_reason"] == chunks[-1]["choices"][0]["finish_reason"]
    assert whole["usage"] == chunks[-1]["usage"] == counts(run.usage)
