"""Each shape of Workers AI's models through the real stack, with the demo standing in for them."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator

from tests.support import published_shapes as published

MESSAGES = [{"role": "user", "content": "Where is New York?"}]
ASK: dict[str, Any] = {"messages": MESSAGES, "temperature": 0, "max_tokens": 200}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["New York", "London"]}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "look_up", "description": "Looks up.", "parameters": SCHEMA}}
BARE = {"type": "json_schema", "json_schema": SCHEMA}
WRAPPED = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA, "strict": True}}


@dataclass(frozen=True)
class Family:
    """Models of one schema of Cloudflare's.

    Attributes:
        model: One of them.
        whole: What messages are answered with.
        prompted: What a prompt is; None if it takes none.
        response_format: How it is asked for JSON; None if it has no schemas.
        takes_tools: Whether it does.
    """

    model: str
    whole: dict[str, Any]
    prompted: dict[str, Any] | None
    response_format: dict[str, Any] | None = field(default_factory=lambda: BARE)
    takes_tools: bool = True

    @property
    def is_chat(self) -> bool:
        """Whether messages are answered in OpenAI's words."""
        return self.whole is published.CHAT


FAMILIES = {
    "classic": Family("@cf/meta/llama-3.3-70b-instruct-fp8-fast", published.NATIVE, published.NATIVE),
    "classic with vision": Family("@cf/meta/llama-4-scout-17b-16e-instruct", published.NATIVE, published.NATIVE),
    "classic with requests": Family("@cf/qwen/qwen3-30b-a3b-fp8", published.CHAT, published.TEXT),
    "responses": Family("@cf/openai/gpt-oss-120b", published.CHAT, published.NATIVE),
    "OpenAI's": Family("@cf/zai-org/glm-4.7-flash", published.CHAT, published.CHAT, WRAPPED),
    "OpenAI's with requests": Family("@cf/moonshotai/kimi-k2.6", published.CHAT, published.CHAT, WRAPPED),
    "one that another answers for": Family("@cf/moonshotai/kimi-k2.5", published.CHAT, published.CHAT, WRAPPED),
    "guard": Family("@cf/meta/llama-guard-3-8b", published.GUARD, None, None, takes_tools=False),
}
of_each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
with_schemas = pytest.mark.parametrize("family", [family for family in FAMILIES.values() if family.response_format])
GUARD, GLM, GPT_OSS = (FAMILIES[name].model for name in ("guard", "OpenAI's", "responses"))


@pytest.fixture(scope="module")
def run(running_stack):
    """Asks a model over REST."""

    def ask(model: str, body: dict[str, Any], **query: str) -> requests.Response:
        url = f"{running_stack.url}/client/v4/accounts/acc/ai/run/{model}"
        return requests.post(url, json=body, params=query, timeout=120)

    return ask


def result_of(response: requests.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["result"]


def events_of(response: requests.Response) -> list[Any]:
    """The events of a whole stream, without its end."""
    assert response.headers["Content-Type"] == "text/event-stream"
    *events, done, _ = response.text.split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events if not event.startswith(":")]


def fits(schema: dict[str, Any], value: object) -> bool:
    """Whether a value is what a schema says; tells why it is not."""
    Draft202012Validator(schema).validate(value)
    return True


def text_of(family: Family, result: Any) -> Any:
    return result["choices"][0]["message"]["content"] if family.is_chat else result["response"]


@of_each_family
def test_messages_are_answered_in_the_shape_of_the_model(run, running_stack, family):
    response = run(family.model, ASK)
    result = result_of(response)
    assert fits(family.whole, result)
    assert ("choices" in result) is family.is_chat
    assert text_of(family, result)
    assert response.headers["x-runstream-model"] == "@runstream/demo"
    url = f"{running_stack.url}/client/v4/accounts/acc/ai/models/schema?model={family.model}"
    told = requests.get(url, timeout=120).json()["result"]
    assert fits(told["input"], ASK)
    assert fits(told["output"], result)


@of_each_family
def test_a_prompt_is_answered_in_the_shape_of_the_model_or_refused(run, family):
    response = run(family.model, {"prompt": "Where is New York?", "max_tokens": 50})
    if family.prompted is None:
        assert response.json()["errors"][0]["code"] == 5006
    else:
        assert fits(family.prompted, result_of(response))


@of_each_family
def test_the_binding_gets_the_same_without_an_envelope(run, running_stack, family):
    headers = {"cf-consn-model-id": family.model}
    url = f"{running_stack.url}/run?version=3"
    answer = requests.post(url, json={"inputs": ASK, "options": {}}, headers=headers, timeout=120)
    assert text_of(family, answer.json()) == text_of(family, result_of(run(family.model, ASK)))
    streamed = requests.post(url, json={"inputs": {**ASK, "stream": True}}, headers=headers, timeout=120)
    assert ("choices" in events_of(streamed)[0]) is family.is_chat


@of_each_family
def test_a_stream_tells_the_same_text_and_ends_with_the_usage(run, family):
    *events, end = events_of(run(family.model, {**ASK, "stream": True}))
    whole = result_of(run(family.model, ASK))
    assert fits(published.NATIVE_END, end)
    assert end["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    if family.is_chat:
        assert all(fits(published.CHUNK, event) for event in events)
        choices = [event["choices"][0] for event in events]
        assert choices[-1]["finish_reason"] == "stop"
        text = "".join(choice["delta"].get("content", "") for choice in choices)
    else:
        text = "".join(event["response"] for event in events)
    assert text == text_of(family, whole)


def test_a_streamed_prompt_of_a_text_completion_comes_in_its_chunks(run):
    *events, end = events_of(
        run(FAMILIES["classic with requests"].model, {"prompt": "Where is New York?", "stream": True, "max_tokens": 50})
    )
    assert {event["object"] for event in events} == {"text_completion"}
    assert all(fits(published.CHUNK, event) for event in events)
    assert fits(published.NATIVE_END, end)


@pytest.mark.parametrize("family", [family for family in FAMILIES.values() if family.takes_tools])
def test_a_forced_call_is_told_in_the_shape_of_the_model(run, family):
    body = {**ASK, "tools": [TOOL], "tool_choice": "required"}
    result = result_of(run(family.model, body))
    assert fits(family.whole, result)
    *events, _ = events_of(run(family.model, {**body, "stream": True}))
    if family.is_chat:
        (call,) = result["choices"][0]["message"]["tool_calls"]
        assert fits(SCHEMA, json.loads(call["function"]["arguments"]))
        deltas = [event["choices"][0]["delta"].get("tool_calls", [{}])[0].get("function", {}) for event in events]
        assert "".join(delta.get("arguments", "") for delta in deltas) == call["function"]["arguments"]
        assert result["choices"][0]["finish_reason"] == "tool_calls"
    else:
        (call,) = result["tool_calls"]
        assert fits(SCHEMA, call["arguments"])
        assert events == [{"response": "", "tool_calls": result["tool_calls"]}]


@with_schemas
def test_a_schema_holds_in_the_spelling_of_the_model(run, family):
    answer = text_of(family, result_of(run(family.model, {**ASK, "response_format": family.response_format})))
    assert fits(SCHEMA, json.loads(answer) if family.is_chat else answer)


def test_a_content_may_be_one_part(run):
    part = {"type": "text", "text": MESSAGES[0]["content"]}
    vision = FAMILIES["classic with vision"].model
    one, text = (
        result_of(run(vision, {**ASK, "messages": [{"role": "user", "content": it}]})) for it in (part, part["text"])
    )
    assert one["response"] == text["response"]


def test_a_guard_tells_its_verdict_as_an_object(run):
    result = result_of(run(GUARD, {**ASK, "response_format": {"type": "json_object"}}))
    assert fits(published.GUARD, result)
    assert isinstance(result["response"]["safe"], bool)
    assert bool(result["response"]["categories"]) is not result["response"]["safe"]


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TEXT_ONLY = "the models here read only text"
REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    (GLM, {"tools": [TOOL["function"]]}, 5006, "'/tools/0' must have its name in 'function'"),
    (GLM, {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, 5006, "tools here are functions"),
    (GLM, {"tools": [TOOL], "tool_choice": "any"}, 5006, "/tool_choice"),
    (GLM, {"response_format": BARE}, 5006, "required properties at '/response_format/json_schema' are 'name,schema'"),
    (GLM, {"temperature": 3}, 5006, "'/temperature' must be <= 2"),
    (GLM, {"raw": True}, 5006, "'/raw' is not supported"),
    (GLM, {"messages": [{"role": "wizard", "content": "hi"}]}, 5006, "/messages/0/role"),
    (GLM, {"messages": [{"role": "user", "content": [PICTURE]}]}, 5006, TEXT_ONLY),
    (GLM, {"n": 9}, 5006, "'/n' must be <= 8"),
    (FAMILIES["classic"].model, {"top_k": 51}, 5006, "'/top_k' must be <= 50"),
    (FAMILIES["classic with vision"].model, {"messages": [{**MESSAGES[0], "image": [1]}]}, 5006, TEXT_ONLY),
    (FAMILIES["classic with vision"].model, {"messages": [{"role": "user", "content": [PICTURE]}]}, 5006, TEXT_ONLY),
    (FAMILIES["classic with requests"].model, {"stream": True, "response_format": BARE}, 5023, "stream mode"),
    (GUARD, {"response_format": BARE}, 5006, "'/response_format/type' must be one of"),
    (GUARD, {"stream": True, "response_format": {"type": "json_object"}}, 5023, "stream mode"),
    ("@cf/cloudflare/clef-flash", {}, 5007, "answers questions about a state and generates no text"),
    ("@cf/nobody/has-this", {}, 5007, "No such model @cf/nobody/has-this or task"),
]


@pytest.mark.parametrize(("model", "changes", "code", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_a_shape_does_not_take_is_refused_in_words(run, model, changes, code, words):
    response = run(model, {**ASK, **changes})
    (error,) = response.json()["errors"]
    assert (response.status_code, error["code"]) == (400, code)
    assert words in error["message"]


def test_the_input_of_openais_responses_is_answered_with_a_response_where_it_is_read(run):
    body = {"input": "Where is New York?", "reasoning": {"effort": "low"}, "temperature": 0, "max_output_tokens": 200}
    result = result_of(run(GPT_OSS, body))
    assert fits(published.RESPONSE, result)
    streamed = run(GPT_OSS, {**body, "stream": True}).text
    *_, last = [json.loads(line.removeprefix("data: ")) for line in streamed.splitlines() if line.startswith("data: ")]
    assert last["response"]["output"][-1]["content"] == result["output"][-1]["content"]
    assert run(GLM, {"input": "hi"}).json()["errors"][0]["code"] == 5006


@pytest.mark.parametrize(
    ("model", "changes", "words"),
    [
        (GPT_OSS, {"messages": None, "max_tokens": None, "input": "hi"}, "'/requests/0/input' is not read in a batch"),
        (GLM, {"n": 2}, "'/requests/0/n' must be 1"),
        (GLM, {"tools": [TOOL], "parallel_tool_calls": False}, "'/requests/0/parallel_tool_calls' must be true"),
        (GLM, {"logprobs": True}, "leave '/requests/0/logprobs' out"),
        (GLM, {"stream": True}, "'/requests/0/stream' must be false"),
        (GUARD, {"response_format": {"type": "json_object"}}, "'/requests/0/response_format' is not read"),
    ],
)
def test_a_batch_refuses_what_its_results_do_not_tell(run, model, changes, words):
    answer = run(model, {"requests": [{**ASK, **changes}]}, queueRequest="true")
    assert words in answer.json()["errors"][0]["message"]


def test_several_choices_and_log_probabilities_are_there_in_openais_shape_alone(run):
    body = {**ASK, "n": 2, "logprobs": True, "top_logprobs": 1, "max_tokens": 3}
    choices = result_of(run(GLM, body))["choices"]
    assert [(choice["index"], bool(choice["logprobs"]["content"])) for choice in choices] == [(0, True), (1, True)]
    assert run(FAMILIES["classic"].model, body).json()["errors"][0]["code"] == 5006


def test_an_answer_without_a_limit_goes_on_to_its_own_end(run):
    unlimited = result_of(run(GLM, {"messages": MESSAGES, "temperature": 0}))
    assert unlimited["choices"][0]["finish_reason"] == "stop"


def test_a_retired_model_answers_with_a_note(run):
    *_, note = run(FAMILIES["one that another answers for"].model, ASK).json()["messages"]
    assert note["message"] == (
        "Cloudflare has retired @cf/moonshotai/kimi-k2.5 on 2026-05-30, and answers its requests by "
        "@cf/moonshotai/kimi-k2.6, as this server does."
    )


def test_the_search_lists_every_model_with_its_shape_and_hides_what_it_is_told_to(running_stack):
    url = f"{running_stack.url}/client/v4/accounts/acc/ai/models/search"

    def search(**query: str) -> dict[str, dict[str, str]]:
        rows = requests.get(url, params={"per_page": "1000", **query}, timeout=120).json()["result"]
        return {row["name"]: {it["property_id"]: it["value"] for it in row["properties"]} for row in rows}

    everything = search()
    assert len([name for name in everything if name[:3] in ("@cf", "@hf")]) == 70  # and three generate no text
    assert everything[GLM]["answer_shape"] == "chat"
    assert everything[GLM]["reasoning"] == "true"
    assert everything["@cf/google/gemma-3-12b-it"]["planned_deprecation_date"] == "2026-05-30"
    assert "@cf/google/gemma-3-12b-it" not in search(include_deprecated="false")
    assert "@cf/google/gemma-7b-it-lora" not in search(hide_experimental="true")


@pytest.mark.parametrize("name", ["classic", "classic with requests", "responses", "OpenAI's with requests"])
def test_a_batch_has_its_results_in_the_shape_of_the_model(run, name):
    family = FAMILIES[name]
    items = [{**ASK, "external_reference": "a"}, {"prompt": "Where is New York?", "max_tokens": 20}]
    batch = result_of(run(family.model, {"requests": items}, queueRequest="true"))
    answered: dict[str, Any] = {}
    while "responses" not in answered:
        answered = result_of(run(family.model, {"request_id": batch["request_id"]}))
    messages, prompt = (response["result"] for response in answered["responses"])
    assert fits(family.whole, messages)
    assert fits(family.prompted or {}, prompt)
