"""Log probabilities of a prompt through the whole chain: OpenAI's routes tell those that the contract tells."""

import json
from typing import Any

import pytest
from runstream.v1 import text_generation_pb2 as pb

from tests.support.running_service import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = "Where is New York?"
BODIES: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": TEXT}]},
    "completions": {"prompt": TEXT},
}
INPUTS: dict[str, dict[str, Any]] = {
    "chat/completions": {
        "conversation": pb.Conversation(messages=[pb.Message(role="user", content=[pb.ContentPart(text=TEXT)])])
    },
    "completions": {"prompt": pb.Prompt(text=TEXT, raw=True)},
}


async def ask(chain, path, **fields):
    body = {"model": MODEL, "max_tokens": 3, **BODIES[path], **fields}
    return await chain.bridge.ask("POST", f"/v1/{path}", json=body)


async def of_contract(chain, path, most):
    """What the service tells of each token but the first: its id, and the log probabilities by id."""
    params = pb.SamplingParams(max_tokens=3, top_prompt_logprobs=most)
    request = pb.RunRequest(model=MODEL, sampling_params=params, **INPUTS[path])
    answer = await chain.service.text_generation.Run(request)
    return [
        (str(token.token_id), {str(one.token_id): one.logprob for one in (token, *token.top)})
        for token in answer.prompt_logprobs
    ]


def of_answer(path, answer):
    """What vLLM's clients read: of chat completions beside the choices, of completions in each."""
    told = json.loads(answer.body)
    lists = [told] if path == "chat/completions" else told["choices"]
    return [entry["prompt_logprobs"] for entry in lists]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("most", [0, 3])
async def test_openais_routes_tell_the_prompts_log_probabilities(chain, path, most):
    expected = await of_contract(chain, path, most)
    answer = await ask(chain, path, prompt_logprobs=most, n=2)
    assert answer.status == 200, answer.body
    for first, *others in of_answer(path, answer):
        assert first is None
        assert len(others) == len(expected) == json.loads(answer.body)["usage"]["prompt_tokens"] - 1
        for told, (token_id, logprobs) in zip(others, expected, strict=True):
            assert {key: entry["logprob"] for key, entry in told.items()} == pytest.approx(logprobs)
            ranks = [entry["rank"] for entry in told.values() if entry["rank"]]
            assert sorted(ranks) == list(range(1, most + 1))
            assert token_id in told


@pytest.mark.parametrize("path", BODIES)
async def test_a_stream_refuses_the_prompts_log_probabilities(chain, path):
    answer = await ask(chain, path, prompt_logprobs=1, stream=True)
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["param"] == "prompt_logprobs"


@pytest.mark.parametrize("path", BODIES)
async def test_nobody_is_told_log_probabilities_unasked(chain, path):
    answer = await ask(chain, path)
    assert b"prompt_logprobs" not in answer.body
