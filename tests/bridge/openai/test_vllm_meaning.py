"""What vLLM's fields mean, over all surfaces, and what their answers look like."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.workers_ai.request import parse_run_body
from bridge.workers_ai.translation import RunInput
from tests.support.openai_asking import CHAT, COMPLETION, chat, complete, error_of, parse_chat, parse_completion
from tests.support.running_bridge import PROMPT

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
MESSAGES = CHAT["messages"]


def parse_native(body: bytes) -> RunInput:
    parsed = parse_run_body("m", body)
    assert isinstance(parsed, RunInput)
    return parsed


SURFACES: list[tuple[Callable[[bytes], Any], dict[str, Any]]] = [
    (parse_chat, CHAT),
    (parse_completion, COMPLETION),
    (parse_native, {"messages": MESSAGES}),
]


def run_requests(**fields) -> list[pb.RunRequest]:
    """What each surface asks the service for a body with some fields."""
    return [parse(json.dumps({**body, **fields}).encode()).request for parse, body in SURFACES]


def refusals(**fields) -> set[str]:
    """Why the surfaces refuse a body with some fields."""
    told = set()
    for parse, body in SURFACES:
        with pytest.raises(AiError) as caught:
            parse(json.dumps({**body, **fields}).encode())
        told.add(caught.value.description)
    return told


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"json": SCHEMA}, pb.ResponseFormat(json_schema=json.dumps(SCHEMA))),
        ({"json": json.dumps(SCHEMA)}, pb.ResponseFormat(json_schema=json.dumps(SCHEMA))),
        ({"regex": "a+"}, pb.ResponseFormat(regex="a+")),
        ({"choice": ["yes", "no"]}, pb.ResponseFormat(choice=pb.Choice(values=["yes", "no"]))),
        ({"json_object": True}, pb.ResponseFormat(json_object=pb.JsonObject())),
    ],
)
def test_a_form_may_stand_in_both_of_vllms_places(form, expected):
    ((name, value),) = form.items()
    for request in (
        *run_requests(structured_outputs={"regex": None, **form}),
        *run_requests(**{f"guided_{name}": value}),
    ):
        assert request.response_format == expected


def test_what_asks_for_no_form_is_free_text():
    for request in (
        *run_requests(guided_json_object=False),
        *run_requests(structured_outputs={}),
        *run_requests(guided_json=None),
    ):
        assert not request.HasField("response_format")


def test_two_forms_are_refused_with_both_places():
    told = refusals(guided_regex="a", structured_outputs={"choice": ["a"]})
    assert told == {
        "only one form can be asked for, leave out all but one of '/guided_regex', '/structured_outputs/choice'"
    }
    with pytest.raises(AiError, match="'/guided_json', '/response_format'"):
        parse_chat(json.dumps({**CHAT, "guided_json": {}, "response_format": {"type": "json_object"}}).encode())


@pytest.mark.parametrize("name", ["grammar", "structural_tag", "whitespace_pattern", "disable_any_whitespace"])
def test_what_a_form_can_not_have_is_refused_in_its_place(name):
    assert all(
        text.startswith(f"'/structured_outputs/{name}' is not") for text in refusals(structured_outputs={name: "a"})
    )
    assert run_requests(structured_outputs={name: ""}) == run_requests()


def test_the_fields_that_say_how_tokens_are_chosen_and_where_they_end():
    for request in run_requests(
        stop_token_ids=[5, 6], include_stop_str_in_output=True, bad_words=["York"], allowed_token_ids=[7, 8],
        truncate_prompt_tokens=9,
    ):  # fmt: skip
        assert request.stop_token_ids == [5, 6]
        assert request.include_stop_sequence
        assert request.sampling_params.bad_words == ["York"]
        assert request.sampling_params.allowed_token_ids == [7, 8]
        assert request.truncate_prompt_tokens == 9


def test_how_a_conversation_goes_on_is_said_for_conversations_alone():
    for parse, body in (SURFACES[0], SURFACES[2]):
        fields = {"add_generation_prompt": False, "continue_final_message": True}
        conversation = parse(json.dumps({**body, **fields}).encode()).request.conversation
        assert conversation.HasField("add_generation_prompt")
        assert not conversation.add_generation_prompt
        assert conversation.continue_final_message
        assert not parse(json.dumps(body).encode()).request.conversation.HasField("add_generation_prompt")
    with pytest.raises(AiError, match="'/continue_final_message' is not supported, use '/messages'"):
        parse_native(json.dumps({**PROMPT, "continue_final_message": True}).encode())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"stop_token_ids": [1] * 65}, "Number of entries of '/stop_token_ids' must be <= 64"),
        ({"stop_token_ids": [-1]}, "'/stop_token_ids/0' must be >= 0"),
        ({"bad_words": [""]}, "Length of '/bad_words/0' must be >= 1"),
        ({"bad_words": ["a"] * 65}, "Number of entries of '/bad_words' must be <= 64"),
        ({"allowed_token_ids": []}, "Number of entries of '/allowed_token_ids' must be >= 1"),
        ({"allowed_token_ids": [1] * 8193}, "Number of entries of '/allowed_token_ids' must be <= 8192"),
        ({"truncate_prompt_tokens": -1}, "'/truncate_prompt_tokens' must be >= 1"),
        ({"guided_choice": ["a"] * 1025}, "Number of entries of '/guided_choice' must be <= 1024"),
        ({"guided_json": 5}, "Type mismatch of '/guided_json', 'integer' not in 'object,string,boolean'"),
        ({"cache_salt": "a" * 257}, "Length of '/cache_salt' must be <= 256"),
    ],
)
def test_what_is_out_of_range_is_refused_by_its_place(fields, words):
    assert all(words in text for text in refusals(**fields))


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False).map(float.__floor__))
def test_every_integer_is_a_seed_and_those_of_64_bits_are_themselves(seed):
    (request, _) = (parse(json.dumps({**body, "seed": seed}).encode()).request for parse, body in SURFACES[:2])
    assert -(2**63) <= request.sampling_params.seed < 2**63
    assert (request.sampling_params.seed - seed) % 2**64 == 0


@pytest.mark.parametrize(("top_k", "expected"), [(-1, 0), (0, 0), (64, 64), (10**30, 2**31 - 1)])
def test_top_k_has_no_limit_on_openais_routes_and_may_be_none(top_k, expected):
    for parse, body in SURFACES[:2]:
        params = parse(json.dumps({**body, "top_k": top_k}).encode()).request.sampling_params
        assert (params.HasField("top_k"), params.top_k) == (top_k > 0, expected)


def test_top_p_0_is_the_least_that_the_contract_has():
    for parse, body in SURFACES[:2]:
        assert 0 < parse(json.dumps({**body, "top_p": 0}).encode()).request.sampling_params.top_p < 1e-300


async def test_a_salt_goes_to_the_service_as_it_is(bridge, service):
    path = "/client/v4/accounts/acc/ai/run/@runstream/demo"
    for value in ("mine", None):
        await bridge.ask("POST", path, json={**PROMPT, "cache_salt": value})
    assert [request.cache_salt for request in service.requests] == ["mine", ""]
    await bridge.ask("POST", f"{path}?queueRequest=true", json={"requests": [{**PROMPT, "cache_salt": "mine"}, PROMPT]})
    assert [each.request.cache_salt for each in service.new_batch.items] == ["mine", ""]


TOKEN = pb.TokenLogprob(token_id=7, token=b" a", logprob=-1.5)
TOKEN.top.add(token_id=8, token=b" b", logprob=-0.5)
TOKEN.top.add(token_id=7, token=b" a", logprob=-1.5)
RARE = pb.TokenLogprob(token_id=9, token=b"\xff", logprob=float("-inf"))
SHOWN = [
    None,
    {
        "7": {"logprob": -1.5, "rank": 2, "decoded_token": " a"},
        "8": {"logprob": -0.5, "rank": 1, "decoded_token": " b"},
    },
    {"9": {"logprob": -9999.0, "rank": None, "decoded_token": "\ufffd"}},
]


async def test_log_probabilities_of_the_prompt_are_shown_as_vllm_does(bridge, service):
    service.answer.prompt_logprobs.extend([TOKEN, RARE])
    answer = json.loads((await chat(bridge, prompt_logprobs=2)).body)
    assert service.requests[-1].sampling_params.top_prompt_logprobs == 2
    assert answer["prompt_logprobs"] == SHOWN
    (choice,) = json.loads((await complete(bridge, prompt_logprobs=0)).body)["choices"]
    assert service.requests[-1].sampling_params.HasField("top_prompt_logprobs")
    assert choice["prompt_logprobs"] == SHOWN


@pytest.mark.parametrize("ask", [chat, complete])
async def test_a_stream_has_no_place_for_log_probabilities_of_the_prompt(bridge, ask):
    status, error = error_of(await ask(bridge, prompt_logprobs=1, stream=True))
    assert (status, error["param"]) == (400, "prompt_logprobs")


async def test_tokens_may_be_told_by_their_ids(bridge, service):
    service.answer.logprobs.append(TOKEN)
    (choice,) = json.loads((await chat(bridge, logprobs=True, return_tokens_as_token_ids=True)).body)["choices"]
    (token,) = choice["logprobs"]["content"]
    assert (token["token"], token["top_logprobs"][0]["token"]) == ("token_id:7", "token_id:8")
    (choice,) = json.loads((await complete(bridge, logprobs=1, return_tokens_as_token_ids=True)).body)["choices"]
    assert choice["logprobs"]["tokens"] == ["token_id:7"]
    assert choice["logprobs"]["top_logprobs"] == [{"token_id:8": -0.5, "token_id:7": -1.5}]


async def test_the_token_that_ended_an_answer_is_told(bridge, service):
    service.answer.matched_stop_token_id = 0
    assert json.loads((await chat(bridge)).body)["choices"][0]["stop_reason"] == 0


async def test_only_a_form_of_json_is_a_value_in_a_native_answer(bridge, service):
    service.answer.text = "12"
    for fields, expected in (({"guided_regex": "[0-9]+"}, "12"), ({"guided_json": {"type": "integer"}}, 12)):
        assert json.loads((await bridge.run({**PROMPT, **fields})).body)["result"]["response"] == expected


async def test_only_a_form_of_json_has_no_native_stream(bridge):
    assert (await bridge.run({**PROMPT, "guided_choice": ["a"], "stream": True})).status == 200
    assert (await bridge.run({**PROMPT, "guided_json": {}, "stream": True})).error[1] == 5023


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def allowed(mode: str, *names: str) -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [named(name) for name in names]}}


@pytest.mark.parametrize(("mode", "expected"), [("auto", "AUTO"), ("required", "REQUIRED")])
def test_of_the_tools_only_those_that_are_allowed_can_be_called(mode, expected):
    fields = {"tools": [named("a"), {"name": "b"}, named("c")], "tool_choice": allowed(mode, "c", "b")}
    for parse, body in (SURFACES[0], SURFACES[2]):
        request = parse(json.dumps({**body, **fields}).encode()).request
        assert [tool.name for tool in request.tools] == ["b", "c"]
        assert request.tool_choice.mode == pb.ToolChoiceMode.Value(f"TOOL_CHOICE_MODE_{expected}")


def test_what_is_allowed_is_one_of_the_tools():
    fields = {"tools": [named("a")], "tool_choice": allowed("auto", "a", "d")}
    for parse, body in (SURFACES[0], SURFACES[2]):
        with pytest.raises(AiError, match="'/tool_choice/allowed_tools/tools/1/function/name' is the name of none"):
            parse(json.dumps({**body, **fields}).encode())


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file", "image"])
def test_an_image_beside_a_text_is_refused_as_alone(kind):
    part = {"type": "text", "text": "hi", kind: {"url": "x"}}
    for parse, body in (SURFACES[0], SURFACES[2]):
        for message, place in (
            ({"content": [{"type": "text", "text": "a"}, part]}, f"/messages/0/content/1/{kind}"),
            ({"content": "hi", kind: "x"}, f"/messages/0/{kind}"),
        ):
            with pytest.raises(AiError) as caught:
                parse(json.dumps({**body, "messages": [{"role": "user", **message}]}).encode())
            assert caught.value.description == f"'{place}' is not supported, the models here read only text"


@pytest.mark.parametrize("name", ["mcp.files:read/all", "a" * 256])
def test_names_of_tools_are_those_that_providers_send(name):
    for parse, body in (SURFACES[0], SURFACES[2]):
        (tool,) = parse(json.dumps({**body, "tools": [named(name)]}).encode()).request.tools
        assert tool.name == name
