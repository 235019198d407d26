"""OpenAI's own client on the Responses API of the whole running server, with nothing changed but its base URL."""

import json
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel

DEMO = "@runstream/demo"
QUESTION = "Where did the name New York come from?"
GREEDY: dict[str, Any] = {"model": DEMO, "input": QUESTION, "temperature": 0, "max_output_tokens": 40}
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]},
}
LOGPROBS: dict[str, Any] = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}


class Place(BaseModel):
    """What a structured answer is read into. It has no free text, which the demo model might never end."""

    name: Literal["New York", "York"]
    is_city: bool


@pytest.fixture
def client(running_stack):
    """The client."""
    with openai.OpenAI(base_url=f"{running_stack.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def streamed(client, **asked):
    """What the client's stream helper puts together."""
    with client.responses.stream(**asked) as stream:
        return stream.get_final_response()


def test_whole_and_stream_say_the_same_as_chat_completions(client):
    whole, final = client.responses.create(**GREEDY), streamed(client, **GREEDY)
    chat = client.chat.completions.create(
        model=DEMO, messages=[{"role": "user", "content": QUESTION}], temperature=0, max_tokens=40
    )
    assert whole.output_text == final.output_text == chat.choices[0].message.content != ""
    assert whole.usage.output_tokens == final.usage.output_tokens == chat.usage.completion_tokens
    assert whole.usage.input_tokens == chat.usage.prompt_tokens


def test_an_answer_that_is_cut_is_incomplete(client):
    whole, final = (
        ask(**{**GREEDY, "max_output_tokens": 2}) for ask in (client.responses.create, client.responses.parse)
    )
    assert whole.status == final.status == "incomplete"
    assert whole.output_text == final.output_text


def test_a_structured_answer_is_what_its_class_says(client):
    asked = {**GREEDY, "max_output_tokens": 200, "text_format": Place}
    assert isinstance(client.responses.parse(**asked).output_parsed, Place)
    assert isinstance(streamed(client, **asked).output_parsed, Place)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_tool_is_called_and_its_output_answered(client, is_streamed):
    asked = {**GREEDY, "tools": [WEATHER], "tool_choice": "required", "max_output_tokens": 200}
    first = streamed(client, **asked) if is_streamed else client.responses.create(**asked)
    (call,) = first.output
    assert json.loads(call.arguments) == {"city": "Paris"}
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "It is sunny."}
    items = [{"role": "user", "content": QUESTION}, *first.output, output]
    second = client.responses.create(**{**GREEDY, "input": items, "tools": [WEATHER], "tool_choice": "none"})
    assert second.output_text
    assert second.usage.input_tokens > client.responses.create(**GREEDY).usage.input_tokens


def test_log_probabilities_are_those_of_the_text(client):
    for response in (client.responses.create(**GREEDY, **LOGPROBS), streamed(client, **GREEDY, **LOGPROBS)):
        (content,) = response.output[0].content
        written = b"".join(bytes(entry.bytes) for entry in content.logprobs)
        assert written.startswith(content.text.encode())
        assert all(entry.logprob == entry.top_logprobs[0].logprob <= 0 for entry in content.logprobs)


def test_a_prompt_that_is_too_long_is_refused_or_loses_its_beginning(client):
    asked = {**GREEDY, "input": "Where is New York? " * 2_000}
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(**asked)
    assert refused.value.code == "context_length_exceeded"
    response = client.responses.create(**asked, truncation="auto")
    assert response.usage.output_tokens <= 40
    assert response.truncation == "auto"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_output_tokens": 10**6}, "max_output_tokens"),
        ({"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "none"}}}}, "text.format"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].name"),
    ],
)
def test_what_the_service_refuses_is_told_in_the_fields_of_the_request(client, fields, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(**{**GREEDY, **fields})
    assert refused.value.param == param
