"""Tools through the whole chain: each face tells the calls that the contract tells."""

import json

import pytest
from jsonschema import Draft202012Validator

from bridge.workers_ai.schema import check_input
from bridge.workers_ai.translation import to_run_input
from tests.support.running_service import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="session")

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"enum": ["New York", "纽约"]}, "days": {"enum": [1, 2.5, 4.0]}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
FUNCTION = {"name": "get_weather", "description": "Tells the weather.", "parameters": PARAMETERS}
TOOL = {"type": "function", "function": FUNCTION}
MESSAGES = [{"role": "user", "content": "How is the weather in New York?"}]
ASK = {"messages": MESSAGES, "max_tokens": 200, "temperature": 1, "seed": 3, "tools": [TOOL]}
FORCED = {**ASK, "tool_choice": {"type": "function", "function": {"name": "get_weather"}}}
CUT = {**FORCED, "max_tokens": 3}
CHAT = "/client/v4/accounts/acc/ai/v1/chat/completions"
CALL = {"id": "call-1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "New York"}'}}


async def of_contract(chain, body):
    """The one call that the service makes over gRPC, and how many tokens the answer has."""
    request = to_run_input(MODEL, check_input(body)).request
    answer = await chain.service.text_generation.Run(request)
    (call,) = answer.tool_calls
    return call, answer.usage.completion_tokens


def events_of(body):
    return [json.loads(event.removeprefix("data: ")) for event in body.decode().split("\n\n") if event[6:7] == "{"]


async def test_json_and_events_tell_the_call_with_an_object_for_its_arguments(chain):
    call, num_tokens = await of_contract(chain, FORCED)
    arguments = json.loads(call.arguments_json)
    Draft202012Validator(PARAMETERS).validate(arguments)
    told = [{"name": "get_weather", "arguments": arguments}]
    result = json.loads((await chain.ask(**FORCED)).body)["result"]
    assert (result["response"], result["tool_calls"]) == (None, told)
    calls, usage = events_of((await chain.ask(**FORCED, stream=True)).body)
    assert calls == {"response": "", "tool_calls": told}
    assert result["usage"]["completion_tokens"] == usage["usage"]["completion_tokens"] == num_tokens


async def test_chat_completions_tell_the_call_with_a_text_for_its_arguments(chain):
    call, _ = await of_contract(chain, FORCED)
    asked = {**FORCED, "model": MODEL}
    (choice,) = json.loads((await chain.bridge.ask("POST", CHAT, json=asked)).body)["choices"]
    told = choice["message"]["tool_calls"][0]["function"]
    assert (told["name"], told["arguments"], choice["finish_reason"]) == (call.name, call.arguments_json, "tool_calls")
    chunks = events_of((await chain.bridge.ask("POST", CHAT, json={**asked, "stream": True})).body)
    deltas = [delta for chunk in chunks for delta in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert "".join(delta["function"]["arguments"] for delta in deltas) == call.arguments_json


async def test_the_binding_tells_what_json_tells(chain):
    told = json.loads((await chain.ask(**FORCED)).body)["result"]
    bound = {"inputs": FORCED, "options": {}}
    answer = await chain.bridge.ask("POST", "/run?version=3", json=bound, headers={"cf-consn-model-id": MODEL})
    assert json.loads(answer.body)["tool_calls"] == told["tool_calls"]


async def test_both_spellings_of_a_conversation_are_the_same_prompt(chain):
    flat = {"name": "get_weather", "arguments": {"city": "New York"}}
    result = {"role": "tool", "name": "get_weather", "content": "sunny"}
    openai = [*MESSAGES, {"role": "assistant", "tool_calls": [CALL]}, {**result, "tool_call_id": "call-1"}]
    native = [*MESSAGES, {"role": "assistant", "content": "", "tool_calls": [flat]}, result]
    asks = ({"messages": openai, "tools": [TOOL]}, {"messages": native, "tools": [FUNCTION]})
    answers = [await chain.ask(**ask, max_tokens=5, temperature=0) for ask in asks]
    first, second = (json.loads(answer.body)["result"] for answer in answers)
    assert (first["response"], first["usage"]["prompt_tokens"]) == (
        second["response"],
        second["usage"]["prompt_tokens"],
    )


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_forced_call_that_max_tokens_cuts_is_8006_on_each_face(chain, is_streamed):
    message = "AiError: Tool call incomplete: '/max_tokens' has cut the tool call at 3, ask for more"
    body = {**CUT, "stream": is_streamed}
    assert (await chain.ask(**body)).error == (400, 8006, message)
    assert (await chain.bridge.ask("POST", CHAT, json={**body, "model": MODEL})).error == (400, 8006, message)
    bound = {"json": {"inputs": body, "options": {}}, "headers": {"cf-consn-model-id": MODEL}}
    flat = json.loads((await chain.bridge.ask("POST", "/run?version=3", **bound)).body)
    assert (flat["httpCode"], flat["internalCode"]) == (400, 8006)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**ASK, "tools": [FUNCTION, TOOL]}, "'/tools/1/function/name'"),
        ({**ASK, "tool_choice": {"type": "function", "name": "clock"}}, "'/tool_choice'"),
        ({"messages": MESSAGES, "tool_choice": "required"}, "'/tool_choice'"),
        ({"messages": [{"role": "user", "content": "hi", "tool_calls": [CALL]}]}, "'/messages/0/tool_calls'"),
        (
            {"messages": [*MESSAGES, {"role": "assistant", "tool_calls": [{"name": "f g", "arguments": "{"}]}]},
            "'/messages/1/tool_calls/0/name'",
        ),
        ({"prompt": "hi", "raw": True, "tools": [TOOL]}, "'/tools'"),
    ],
)
async def test_what_the_service_refuses_is_told_in_the_clients_words(chain, body, words):
    status, code, message = (await chain.ask(**body)).error
    assert (status, code) == (400, 5006)
    assert message.startswith("AiError: Bad input: Error: ")
    assert words in message
