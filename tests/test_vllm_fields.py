"""Fields of vLLM's requests through the whole chain: what they ask for is what the answer is."""

import json

import pytest
from runstream.v1 import text_generation_pb2 as pb

from tests.support.running_service import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="session")

MESSAGES = [{"role": "user", "content": "Where is New York?"}]
ASK = {"temperature": 1, "seed": 3, "max_tokens": 20}
FORMS = [
    ({"guided_regex": "[ab]{3}"}, {a + b + c for a in "ab" for b in "ab" for c in "ab"}),
    ({"guided_choice": ["north", "south"]}, {"north", "south"}),
    ({"structured_outputs": {"json": {"enum": [1, 2]}}}, {"1", "2"}),
    ({"guided_json": '{"const": 5}'}, {"5"}),
]


async def texts(chain, **fields) -> list[str]:
    """What all surfaces answer, as text."""
    body = {**ASK, **fields}
    posted = [
        await chain.bridge.ask("POST", "/v1/chat/completions", json={"model": MODEL, "messages": MESSAGES, **body}),
        await chain.bridge.ask("POST", "/v1/completions", json={"model": MODEL, "prompt": "Where?", **body}),
        await chain.ask(messages=MESSAGES, **body),
    ]
    assert [answer.status for answer in posted] == [200] * 3, [answer.body for answer in posted]
    chat, completion, native = (json.loads(answer.body) for answer in posted)
    told = chat["choices"][0]["message"]["content"], completion["choices"][0]["text"], native["result"]["response"]
    return [text if isinstance(text, str) else json.dumps(text) for text in told]


@pytest.mark.parametrize(("fields", "allowed"), FORMS)
async def test_an_answer_has_its_form_on_every_surface(chain, fields, allowed):
    assert {text.strip() for text in await texts(chain, **fields)} <= allowed


async def test_only_allowed_tokens_are_in_an_answer(chain):
    tokens = await token_ids(chain, "a")
    assert {character for text in await texts(chain, allowed_token_ids=tokens) for character in text} <= {"a", " "}


async def token_ids(chain, text: str) -> list[int]:
    request = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text=text, raw=True))
    counted = await chain.service.text_generation.CountTokens(pb.CountTokensRequest(request=request))
    return list(counted.token_ids)


async def test_a_prompt_of_token_ids_is_answered_as_its_text_is(chain):
    tokens = await token_ids(chain, "Where is New York?")
    answers = [
        json.loads((await chain.bridge.ask("POST", "/v1/completions", json={"model": MODEL, "prompt": p, **ASK})).body)
        for p in ("Where is New York?", tokens, [tokens])
    ]
    assert len({answer["choices"][0]["text"] for answer in answers}) == 1
    assert {answer["usage"]["prompt_tokens"] for answer in answers} == {len(tokens)}


async def test_a_cut_prompt_has_as_many_tokens_as_are_kept(chain):
    for path, body in (("chat/completions", {"messages": MESSAGES}), ("completions", {"prompt": "Where is New York?"})):
        sent = {"model": MODEL, "truncate_prompt_tokens": 3, **body, **ASK}
        answer = json.loads((await chain.bridge.ask("POST", f"/v1/{path}", json=sent)).body)
        assert answer["usage"]["prompt_tokens"] == 3


async def test_a_continued_message_has_no_beginning_of_another(chain):
    conversation = [*MESSAGES, {"role": "assistant", "content": "It is"}]

    async def num_tokens(**fields) -> int:
        answer = await chain.ask(messages=conversation, max_tokens=1, **fields)
        return json.loads(answer.body)["result"]["usage"]["prompt_tokens"]

    assert await num_tokens(continue_final_message=True) < await num_tokens(add_generation_prompt=False)
    assert await num_tokens(add_generation_prompt=False) < await num_tokens()


async def test_the_stop_text_stays_in_the_answer_if_that_is_wanted(chain):
    (free, _, _) = await texts(chain)
    (stopped, _, _) = await texts(chain, stop=free[3:5], include_stop_str_in_output=True)
    assert stopped == free[: free.index(free[3:5]) + 2]


async def test_what_the_service_refuses_is_told_by_the_clients_names(chain):
    for fields, place in (
        ({"guided_regex": "("}, "'/guided_regex'"),
        ({"allowed_token_ids": [10**9]}, "'/allowed_token_ids"),
        ({"stop_token_ids": [10**9]}, "'/stop_token_ids"),
    ):
        answer = await chain.ask(messages=MESSAGES, **fields)
        assert answer.status == 400
        assert place in answer.error[2], answer.body
