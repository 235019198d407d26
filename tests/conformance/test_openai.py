"""OpenAI's own clients against the whole running server, with nothing changed but their base URL."""

import json
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel

from tests.support.openai_asking import BASES

LLAMA = "@cf/meta/llama-3.1-8b-instruct"
DEMO = "@runstream/demo"
QUESTION = [{"role": "user", "content": "Where did the name New York come from?"}]
GREEDY: dict[str, Any] = {"model": DEMO, "messages": QUESTION, "temperature": 0, "max_tokens": 40}
LOOK_UP = {
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"is_city": {"type": "boolean"}}, "required": ["is_city"]},
}
SAMPLED: dict[str, Any] = {"model": DEMO, "messages": QUESTION, "temperature": 1, "max_tokens": 20}
# The demo model likes white space: its arguments take many tokens.
CALLING: dict[str, Any] = {**GREEDY, "max_tokens": 500, "tools": [{"type": "function", "function": LOOK_UP}]}
THE_TOOL: Any = {"type": "function", "function": {"name": "look_up"}}


class Place(BaseModel):
    """What a structured answer is read into. It has no free text, which the demo model might never end."""

    name: Literal["New York", "York"]
    is_city: bool


@pytest.fixture(params=BASES)
def client(running_stack, request):
    """The client, of both bases."""
    with openai.OpenAI(base_url=running_stack.url + request.param, api_key="none", max_retries=0) as client:
        yield client


def test_whole_stream_and_helper_say_the_same(client):
    whole = client.chat.completions.create(**GREEDY)
    chunks = list(client.chat.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True}))
    with client.chat.completions.stream(**GREEDY) as stream:
        final = stream.get_final_completion().choices[0]
    text = whole.choices[0].message.content
    assert text == "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == final.message.content != ""
    assert whole.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == final.finish_reason
    assert whole.usage.completion_tokens == chunks[-1].usage.completion_tokens > 0


def test_choices_are_the_answers_to_seeds_that_follow_one_another(client):
    def ask(**fields):
        choices = client.chat.completions.create(**SAMPLED, **fields).choices
        return [choice.message.content for choice in choices]

    assert ask(n=3, seed=5) == [*ask(seed=5), *ask(seed=6), *ask(seed=7)]


def test_log_probabilities_are_those_of_the_text(client):
    (choice,) = client.chat.completions.create(**GREEDY, logprobs=True, top_logprobs=2).choices
    written = b"".join(bytes(entry.bytes) for entry in choice.logprobs.content)
    assert written.startswith(choice.message.content.encode())
    for entry in choice.logprobs.content:
        assert entry.logprob == entry.top_logprobs[0].logprob <= 0  # greedy takes the most likely


def test_a_stop_sequence_ends_the_answer(client):
    (whole,) = client.chat.completions.create(**GREEDY).choices
    word = whole.message.content.split()[3]
    (stopped,) = client.chat.completions.create(**GREEDY, stop=word).choices
    assert stopped.message.content == whole.message.content.partition(word)[0]
    assert stopped.finish_reason == "stop"


def test_a_structured_answer_is_what_its_class_says(client):
    asked = {**GREEDY, "max_tokens": 200}
    whole = client.chat.completions.parse(**asked, response_format=Place).choices[0]
    with client.chat.completions.stream(**asked, response_format=Place) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert isinstance(whole.message.parsed, Place)
    assert whole.message.parsed == streamed.message.parsed


def test_a_structured_answer_that_is_cut_says_so(client):
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(**{**GREEDY, "max_tokens": 2}, response_format=Place)


def test_a_forced_call_is_the_same_whole_and_streamed(client):
    whole = client.chat.completions.create(**CALLING, tool_choice="required").choices[0]
    with client.chat.completions.stream(**CALLING, tool_choice=THE_TOOL) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert whole.finish_reason == streamed.finish_reason == "tool_calls"
    (call,), (streamed_call,) = whole.message.tool_calls, streamed.message.tool_calls
    assert call.function.name == streamed_call.function.name == "look_up"
    assert call.function.arguments == streamed_call.function.arguments
    assert json.loads(call.function.arguments)["is_city"] in (True, False)


def test_calls_and_their_results_may_go_back_into_the_conversation(client):
    message = client.chat.completions.create(**CALLING, tool_choice="required").choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "yes"}
    messages = [*QUESTION, message.model_dump(exclude_none=True), result]
    answer = client.chat.completions.create(**{**CALLING, "messages": messages}, tool_choice="none")
    assert answer.choices[0].finish_reason in ("stop", "length")


def test_a_forced_call_that_is_cut_is_an_error_and_no_answer(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{**CALLING, "max_tokens": 3}, tool_choice="required")
    assert "'/max_tokens' has cut the tool call at 3" in str(caught.value.body)


def test_text_goes_on_from_its_prompt(client):
    asked: dict[str, Any] = {"model": DEMO, "prompt": "New York is", "temperature": 0, "max_tokens": 12}
    whole = client.completions.create(**asked, logprobs=2)
    chunks = list(client.completions.create(**asked, stream=True))
    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in chunks) != ""
    assert len(whole.choices[0].logprobs.tokens) == whole.usage.completion_tokens


def test_the_catalogs_models_are_listed_and_any_can_be_asked(client):
    assert {DEMO, LLAMA} <= {model.id for model in client.models.list()}
    assert client.models.retrieve(LLAMA).owned_by == "cf"
    assert client.chat.completions.create(**{**GREEDY, "model": LLAMA}).model == DEMO


def test_a_prompt_that_does_not_fit_is_the_error_that_users_expect(client):
    messages = [{"role": "user", "content": "word " * 20_000}]
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**{**GREEDY, "messages": messages})
    if client.base_url.path == "/v1/":
        assert isinstance(caught.value, openai.BadRequestError)
        assert caught.value.code == "context_length_exceeded"
    else:
        assert caught.value.status_code == 413


def test_a_field_that_only_the_service_can_refuse_is_named_as_it_was_written(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**GREEDY, extra_body={"min_tokens": 41})
    assert "'/min_tokens'" in str(caught.value.body)


@pytest.mark.parametrize("base", BASES)
def test_the_client_for_node_says_the_same_whole_and_streamed(running_stack, node, base):
    def check(name):
        return node("openai_checks.mjs", running_stack.url + base, name)

    assert DEMO in check("models")["ids"]
    assert check("helper")["choices"][0]["message"]["content"]
    assert len(check("choices")) == 2
    logprobs, structured = check("logprobs"), check("structured")
    assert logprobs["whole"] == logprobs["streamed"]
    assert structured["whole"] == structured["streamed"]
