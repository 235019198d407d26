"""Thinking over HTTP: apart from the answer on every route, whole and streamed, and back in the next request."""

import json
from typing import Any

import grpc
import pytest
from openai import AsyncOpenAI
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import DEMO, failure, last_part, part
from tests.support.openai_asking import BASES, chat, error_of, read_chunks

RUN = f"/client/v4/accounts/acc/ai/run/{DEMO}"
MESSAGES: dict[str, Any] = {"messages": [{"role": "user", "content": "where is new york?"}]}
COUNTED = pb.Usage(prompt_tokens=7, completion_tokens=9, reasoning_tokens=4)
DETAILS = {"reasoning_tokens": 4}
REFUSED = grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"
PARTS = [
    part("", reasoning_content="A ci"),
    part("", reasoning_content="ty."),
    part("In", reasoning_content=" Yes."),
    last_part(" the USA", usage=COUNTED),
]


@pytest.fixture
def service(service):
    service.answer.text, service.answer.reasoning_content = "In the USA", "A city. Yes."
    service.answer.usage.CopyFrom(COUNTED)
    service.parts = PARTS
    return service


@pytest.mark.parametrize("base", BASES)
async def test_chat_completions_have_thinking_beside_the_content(bridge, service, base):
    whole = json.loads((await chat(bridge, base)).body)
    message = whole["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("A city. Yes.", "In the USA")
    assert whole["usage"]["completion_tokens_details"] == DETAILS
    chunks = read_chunks((await chat(bridge, base, stream=True, stream_options={"include_usage": True})).body)
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert deltas == [
        {"role": "assistant", "reasoning_content": "A ci"},
        {"reasoning_content": "ty."},
        {"reasoning_content": " Yes."},
        {"content": "In"},
        {"content": " the USA"},
        {},
    ]
    assert chunks[-1]["usage"]["completion_tokens_details"] == DETAILS


@pytest.mark.parametrize("is_padded", [False, True])
async def test_native_answers_have_thinking_beside_the_response(start_bridge, service, is_padded):
    bridge = await start_bridge(pad_events=is_padded)
    result = json.loads((await bridge.ask("POST", RUN, json=MESSAGES)).body)["result"]
    assert (result["reasoning_content"], result["response"]) == ("A city. Yes.", "In the USA")
    assert result["usage"]["completion_tokens_details"] == DETAILS
    events = read_chunks((await bridge.ask("POST", RUN, json={**MESSAGES, "stream": True})).body)
    assert all(("p" in event) == is_padded for event in events[:-1])
    assert "".join(event.get("reasoning_content", "") for event in events) == "A city. Yes."
    assert "".join(event["response"] for event in events) == "In the USA"
    assert events[-1]["usage"]["completion_tokens_details"] == DETAILS


async def test_an_answer_without_thinking_names_none(bridge, service):
    service.answer.ClearField("reasoning_content")
    service.answer.usage.ClearField("reasoning_tokens")
    for body in [(await chat(bridge)).body, (await bridge.ask("POST", RUN, json=MESSAGES)).body]:
        assert b"reasoning" not in body


async def test_openai_s_client_passes_thinking_through(bridge, service):
    async with AsyncOpenAI(base_url=f"{bridge.url}/v1", api_key="any") as client:
        asked: dict[str, Any] = {"model": DEMO, **MESSAGES}
        whole = await client.chat.completions.create(**asked, reasoning_effort="low")
        assert whole.choices[0].message.reasoning_content == "A city. Yes."
        assert whole.usage.completion_tokens_details.reasoning_tokens == 4
        stream = await client.chat.completions.create(**asked, stream=True)
        thought = [getattr(chunk.choices[0].delta, "reasoning_content", "") async for chunk in stream]
        assert "".join(thought) == "A city. Yes."
    assert service.requests[0].reasoning_effort == "low"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_what_was_thought_before_is_told_again(bridge, service, name):
    earlier = {"role": "assistant", "content": "Hello", name: "I greet."}
    messages: dict[str, Any] = {"messages": [*MESSAGES["messages"], earlier, *MESSAGES["messages"]]}
    await chat(bridge, **messages)
    await bridge.ask("POST", RUN, json=messages)
    for request in service.requests:
        assert [message.reasoning_content for message in request.conversation.messages] == ["", "I greet.", ""]
    field = "conversation.messages[1].reasoning_content"
    service.status = failure(*REFUSED, f"{field} is only for messages of role 'assistant'", field=field)
    _, error = error_of(await chat(bridge, **messages))
    assert f"'/messages/1/{name}'" in error["message"]


async def test_variables_of_the_template_reach_it_and_faults_name_them(bridge, service):
    kwargs = {"enable_thinking": False, "level": "tief"}
    await chat(bridge, chat_template_kwargs=kwargs)
    assert json.loads(service.requests[0].chat_template_kwargs_json) == kwargs
    words = "chat_template_kwargs_json has 'level'; the chat template of the model that answers takes enable_thinking"
    service.status = failure(*REFUSED, words, field="chat_template_kwargs_json")
    _, error = error_of(await chat(bridge, chat_template_kwargs=kwargs))
    assert "'/chat_template_kwargs' has 'level'" in error["message"]
